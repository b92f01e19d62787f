"""The training of ``streamwarden-clip``: bursts -> statistics -> head -> calibration -> export."""
