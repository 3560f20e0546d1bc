"""Pictures of where people and machines looked."""
