"""Command line: which command does what, and what its words mean. Nothing heavy is imported here."""
