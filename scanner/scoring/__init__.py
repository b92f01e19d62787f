"""From samples to scores: one model a scorer, calibrated probabilities, every score with its model
and version."""
