"""What follows from incidents: clips, contact sheets, webhooks; and the retention of media."""
