"""Evaluation beyond a split's scores: reference rows, faithfulness, maps of a few samples."""
