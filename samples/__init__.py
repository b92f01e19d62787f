"""Harmless media with known facts, drawn and encoded here, for tests, benchmarks and the demo."""
