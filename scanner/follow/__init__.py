"""Sources that the service gets by itself: playlists and folders; a process for each."""
