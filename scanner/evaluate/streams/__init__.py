"""Evaluation on streams: long streams put together from scored footage, events at known times,
folded as live.

recordings (what models said of files)  ->  footage (pieces, takes)  ->  assemble (streams)
    ->  live (the product's own fold)               -> outcome (delays, misses, false incidents)
    ->  sweep (every threshold at once)  ->  fit    -> outcome
"""

from __future__ import annotations

from scanner.evaluate.streams.assemble import assemble
from scanner.evaluate.streams.fit import Choice, Curve, Limits
from scanner.evaluate.streams.footage import Footage, collect
from scanner.evaluate.streams.outcome import Part, Summary
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.recordings import Recording, recordings
from scanner.evaluate.streams.result import (
    CHOSEN,
    Compared,
    LabelResult,
    StreamsResult,
    evaluate_streams,
)
from scanner.evaluate.streams.sections import sections

__all__ = [
    "CHOSEN",
    "Choice",
    "Compared",
    "Curve",
    "Footage",
    "LabelResult",
    "Limits",
    "Part",
    "Rate",
    "Recording",
    "StreamsResult",
    "Summary",
    "assemble",
    "collect",
    "evaluate_streams",
    "recordings",
    "sections",
]
