"""What people are shown of an incident: clips and contact sheets beside one report."""
