"""Tests of the journal and the objects."""
