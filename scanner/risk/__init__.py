"""Risk: a fold over what happens to a stream. Read ``fold.advance`` first.

    Sampled | Gap | Signal | Tick | Ended  ->  advance  ->  StreamRisk, Opened | Extended | Closed

Pure: no clock, no I/O, times are exact fractions. The equations, the methods and what the defaults
stand on are in ``docs/risk.md``.
"""

from __future__ import annotations

from scanner.risk.coverage import Coverage
from scanner.risk.fold import advance
from scanner.risk.incident import Closed, Event, Extended, Incident, Opened, Reason
from scanner.risk.methods import METHODS
from scanner.risk.observation import Ended, Gap, Observation, Sampled, Signal, Tick
from scanner.risk.pairing import Moved, Pairing, pair_incidents
from scanner.risk.policy import Policies, Policy
from scanner.risk.reorder import Late, Missing, Ready, Release, Reorder
from scanner.risk.still import judge_still
from scanner.risk.stream import LabelRisk, StreamRisk

__all__ = [
    "METHODS",
    "Closed",
    "Coverage",
    "Ended",
    "Event",
    "Extended",
    "Gap",
    "Incident",
    "LabelRisk",
    "Late",
    "Missing",
    "Moved",
    "Observation",
    "Opened",
    "Pairing",
    "Policies",
    "Policy",
    "Ready",
    "Reason",
    "Release",
    "Reorder",
    "Sampled",
    "Signal",
    "StreamRisk",
    "Tick",
    "advance",
    "judge_still",
    "pair_incidents",
]
