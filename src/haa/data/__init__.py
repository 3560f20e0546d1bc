"""Data: what a sample is, the published formats, and the way from a file to a batch."""
