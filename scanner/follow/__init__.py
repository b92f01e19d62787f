"""Sources that the service gets by itself: playlists, folders, RTMP, RTSP; a process each."""
