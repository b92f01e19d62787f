"""Fakes, and checks that any implementation of a protocol can run against itself."""
