"""Studies: the runs of a sweep, and what is said of them on the console."""
