"""Recordings: an eye tracker's exports, mapped to the pictures that were shown, in the layout of ``data=folder``."""
