"""Prediction: maps of a checkpoint for images of one's own, and as gaze where nobody's was recorded."""
