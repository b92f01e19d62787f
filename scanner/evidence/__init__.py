"""What people are shown of an incident: clips and contact sheets beside one report."""

from scanner.evidence.reporting import Reporter
from scanner.evidence.room import EvidenceRoom

__all__ = ["EvidenceRoom", "Reporter"]
