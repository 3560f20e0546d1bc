"""Where the cells of a map lie in the picture: the rectangle that they cover, and how it is found."""
