"""Printing: texts from elsewhere as plain texts, the console, and the progress bar of long work."""
