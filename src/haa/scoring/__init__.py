"""Scores of results that lie in files: folders of maps or masks, captions, answers, against any data set."""
