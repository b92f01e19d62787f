"""The parent of the service processes: starts, watches, restarts and drains them."""
