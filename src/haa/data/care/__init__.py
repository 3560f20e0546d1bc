"""Care of data: checking a data set, fetching one, pictures of both."""
