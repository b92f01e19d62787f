"""Fakes, and checkers for other implementations of a protocol."""
