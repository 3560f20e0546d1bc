"""``haa export``: a checkpoint's model for others, as weights or as a graph, with a model card."""
