"""What the parts cost on this machine: decoding, inference, and the whole path."""
