"""Settings and policies: read once, at the edge, and passed down whole or in part."""
