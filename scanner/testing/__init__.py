"""Fakes, and checkers that anyone can run against an implementation of their own."""

from scanner.testing.scorers import FakeScorer, check_scorer, sample

__all__ = ["FakeScorer", "check_scorer", "sample"]
