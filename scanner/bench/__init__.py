"""Measures what decoding, inference and the whole pipeline cost on this machine."""
