"""Readers of single files: images, video, JSON, Matlab and csv."""
