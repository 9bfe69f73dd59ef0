"""The chain from a recording to a transcript."""
