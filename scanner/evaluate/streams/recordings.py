"""Scores of each file of a manifest, with their times, from the lines of a scan.

By the invariant "sampling is local to a segment", footage is scored once, file by file, and streams
are assembled from the scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scanner.evaluate.comparisons import UnscoredRow
from scanner.evaluate.row_scoring import split_path
from scanner.evaluate.rows import LabelledRow
from scanner.pipeline.replay import sample_of_line
from scanner.report.line_text import exact
from scanner.report.lines import FrameLine, Line, SummaryLine
from scanner.risk.observation import Sampled

__all__ = ["Recording", "read_recordings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file, and all its samples."""

    row: LabelledRow
    samples: tuple[Sampled, ...]
    """In order of time, from the file's first frame."""
    length: Fraction
    """Seconds; 0 for a still picture, which has one sample."""
    change: str = ""
    """The perturbation of the file, such as ``night``; empty if there is none."""

    @property
    def still(self) -> bool:
        """Whether it is a still picture."""
        return self.length == 0


def read_recordings(
    rows: Sequence[LabelledRow], lines: Iterable[Line]
) -> Iterator[Recording | UnscoredRow]:
    """Yield a recording of each row's file, and of each perturbation of it that the lines have,
    from lines with the manifest's paths."""
    samples: dict[str, list[Sampled]] = defaultdict(list)
    lengths: dict[str, Fraction] = {}
    for line in lines:
        match line:
            case FrameLine(path=path):
                samples[path].append(sample_of_line(line))
            case SummaryLine(path=path, duration=duration):
                lengths[path] = exact(duration)
    row_of = {row.key: row for row in rows}
    for row in row_of.values():
        if not samples[row.key] or row.key not in lengths:
            yield UnscoredRow(row=row, reason=f"{row.path}: the scores have no sample of it")
    for path, length in lengths.items():
        key, change = split_path(path, row_of)
        if key in row_of and samples[path]:
            ordered = sorted(samples[path], key=lambda sample: sample.at)
            yield Recording(row=row_of[key], samples=tuple(ordered), length=length, change=change)
