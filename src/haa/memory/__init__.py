"""What this process holds in memory, because it is asked for again."""
