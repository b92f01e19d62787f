"""How ``streamwarden-clip`` is made."""
