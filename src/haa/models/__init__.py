"""Models, which return their output together with the map of their attention."""
