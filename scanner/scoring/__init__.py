"""From samples to calibrated scores: scorers, models and their manifests."""
