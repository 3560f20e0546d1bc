"""The commands in Python, ``haa.train(...)`` and its like, and what they return, which shows itself in a notebook.

The words are the command line's, and so is the path from them to a result (`haa.cli.main.work`).
"""
