"""Fakes that implement the real Protocols, for our tests and yours."""
