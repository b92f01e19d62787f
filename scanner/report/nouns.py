"""The parts of a report. Times are exact stream seconds; they become floats in the document and
on the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from scanner.report.timeline import RiskSeries
from scanner.risk.incident import Incident
from scanner.stream.events import StreamSummary
from scanner.stream.inputs import FilesSkipped
from scanner.types import Label, Span, Unseen

__all__ = [
    "Clip",
    "Failure",
    "IncidentReport",
    "ModelUsed",
    "PathReport",
    "PolicyUsed",
    "ScanReport",
    "Sheet",
    "UncoveredCategory",
    "Unlisted",
]

_FILE: Final = re.compile(r"(clips|sheets)/[A-Za-z0-9][A-Za-z0-9._-]*")


def _check_file(name: str) -> None:
    if _FILE.fullmatch(name) is None:
        raise ValueError(f"evidence must be a plain name in clips/ or sheets/, got {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video file that shows a part of an incident."""

    file: str
    """``clips/NAME``, relative to the report."""
    span: Span
    """On the stream clock; whole GOPs, so it may begin before and end after what was asked for."""
    transcoded: bool = False
    """True if it was encoded again, because browsers do not play the sender's codec; False if it
    holds the sender's own packets."""
    truncated: bool = False
    """True if it is shorter than asked for, because a limit was reached."""
    poster: str | None = None
    """``sheets/NAME``, a blurred picture that is shown until the clip is played."""

    def __post_init__(self) -> None:
        _check_file(self.file)
        if self.poster is not None:
            _check_file(self.poster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Sampled frames in one picture, as a sharp and a blurred file of the same size."""

    sharp: str
    """``sheets/NAME``, relative to the report."""
    blurred: str
    width: int
    height: int

    def __post_init__(self) -> None:
        _check_file(self.sharp)
        _check_file(self.blurred)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReport:
    """An incident that is over, with its evidence."""

    incident: Incident
    clips: tuple[Clip, ...] = ()
    """In order of time."""
    sheet: Sheet | None = None
    missing: str | None = None
    """The reason why evidence is missing, where some is."""
    closed: Fraction | None = None
    """Stream seconds at which it closed, later than its end; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A path, or a part of it, that could not be scanned."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """Counts of what a report leaves out because a path has too many of them."""

    gaps: int = 0
    gap_seconds: Fraction = Fraction(0)
    errors: int = 0
    incidents: int = 0


NOT_SCANNED: Final = StreamSummary(
    duration=Fraction(0),
    frames=0,
    coverage=0.0,
    medium={},
    peak_risk={},
    peak_level={},
    peak_score={},
    flagged=(),
)
"""Summary of a path of which nothing could be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """The results of one path."""

    path: str
    summary: StreamSummary = NOT_SCANNED
    unseen: tuple[Unseen, ...] = ()
    """Spans that were not seen."""
    picture: Sheet | None = None
    """Set for a still picture that was flagged."""
    incidents: tuple[IncidentReport, ...] = ()
    timeline: Mapping[Label, RiskSeries] = field(default_factory=dict)
    """The risk of each label over time."""
    errors: tuple[Failure, ...] = ()
    unlisted: Unlisted = Unlisted()

    def __post_init__(self) -> None:
        if not 0.0 <= self.summary.coverage <= 1.0:
            raise ValueError(f"coverage must lie in [0, 1], got {self.summary.coverage}")

    @property
    def is_read(self) -> bool:
        """True if a frame of it was scored."""
        return self.summary.frames > 0

    @property
    def is_still(self) -> bool:
        """True for one picture without a duration, which is judged by its scores alone."""
        return self.is_read and self.summary.duration == 0 and not self.summary.peak_level


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """A model that scored."""

    name: str
    version: str
    sha256: str
    labels: tuple[str, ...]
    licence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyUsed:
    """The thresholds of one label that were in force."""

    label: str
    category: str
    severity: int
    open_level: float
    """Log-odds of the evidence at which an incident opens."""
    open_risk: float
    """The risk at that level."""
    close_level: float
    dwell: float
    """Seconds of evidence without which nothing opens."""
    fitted: bool
    """True if risk is a probability; before a fit to labelled streams it is an order."""
    shadow: bool = False
    still_shadow: bool = False
    """True if still pictures of the label are never flagged."""
    when: tuple[str, ...] = ()
    """The media that count; empty for all."""
    still: float = 0.9
    """Score at which a still picture is flagged."""
    method: str = "dwell"
    """Name of the method that turns samples into a level."""
    window: float = 12.0
    """Seconds before the latest sample that the method looks back."""
    open_score: float | None = None
    """Score that must last ``dwell`` seconds of ``window`` for an incident to open; None for other
    methods than dwell, whose level is not that of a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncoveredCategory:
    """A category with labels that no installed model covers."""

    category: str
    labels: tuple[str, ...]
    whole: bool = False
    """True if no label of the category that calls for action (severity 1 or more) is covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """The results of one scan."""

    version: str
    """Version of Streamwarden."""
    created: str
    """RFC 3339 in UTC; passed in, since a report reads no clock."""
    settings: Mapping[str, str | int | float | bool | None]
    """Settings that change what is seen: sampling, window, provider."""
    models: tuple[ModelUsed, ...]
    policies: tuple[PolicyUsed, ...]
    policy_version: str
    policy_sha256: str
    taxonomy_version: str
    uncovered: tuple[UncoveredCategory, ...]
    paths: tuple[PathReport, ...]
    skipped: tuple[FilesSkipped, ...] = ()
    """Files of folders that were not scanned by themselves."""

    @property
    def fitted(self) -> bool:
        """True if every risk in it is a probability."""
        return all(policy.fitted for policy in self.policies)
