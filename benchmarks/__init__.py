"""Measurements against other engines, and of ourselves; not run by the tests."""
