"""Fakes, and checkers that anyone can run against an implementation of their own."""
