"""Loading: from a sample of a dataset to batches that can be repeated exactly."""
