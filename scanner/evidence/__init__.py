"""What people are shown of an incident: clips and contact sheets beside one report."""

from scanner.evidence.reporting import Reporter
from scanner.evidence.room import EvidenceRoom, open_room

__all__ = ["EvidenceRoom", "Reporter", "open_room"]
