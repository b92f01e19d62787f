"""Effects of incidents: clips, contact sheets, webhooks; and the retention of media."""
