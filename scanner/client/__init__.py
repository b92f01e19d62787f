"""The client of the service: sends streams, and waits where the service asks for it."""
