"""The composition root, and one module per use case."""
