"""Measurements of the cost of decoding, inference and the whole pipeline on this machine."""
