"""The HTTP interface of the service: what senders deliver, and what readers ask."""
