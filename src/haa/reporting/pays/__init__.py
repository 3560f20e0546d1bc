"""Does it pay to look where people look? How human attention is, against how well the task is done."""
