"""Stenogram: speech to text that is exact, fast, and never loses a recording."""
