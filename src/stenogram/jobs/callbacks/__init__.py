"""Callbacks: which addresses they may reach, how they are signed and sent, and when they are sent again."""
