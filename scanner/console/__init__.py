"""The review console: the pages of the web process, and the API that they use."""
