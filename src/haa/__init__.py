"""haa: train vision models to look where people look, and measure honestly whether it helped."""

__version__ = "0.1.0"
