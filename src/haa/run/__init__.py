"""Runs: what `haa train` and `haa evaluate` do, and what they write and say."""
