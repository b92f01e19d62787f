"""Tests of the delivery process."""
