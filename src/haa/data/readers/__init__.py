"""Readers of published data sets, and of folders of one's own, as haa's data sets."""
