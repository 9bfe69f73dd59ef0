"""One module per group of paths, each with its ``router``."""
