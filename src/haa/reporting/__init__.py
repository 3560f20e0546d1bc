"""From run folders to an answer."""
