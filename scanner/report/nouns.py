"""What a report is made of: plain values that whoever scanned fills in.

Times are seconds of the path's own timeline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.types import Unseen

__all__ = [
    "Clip",
    "Failure",
    "Finding",
    "ModelUsed",
    "PathReport",
    "PolicyUsed",
    "Report",
    "RiskPoint",
    "Sheet",
    "UncoveredCategory",
]

_FILE = re.compile(r"(clips|sheets)/[A-Za-z0-9][A-Za-z0-9._-]*")


def _check_file(name: str) -> None:
    if _FILE.fullmatch(name) is None:
        raise ValueError(f"evidence must be a plain name in clips/ or sheets/, got {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A cut piece of evidence beside the report."""

    file: str
    """``clips/NAME``, beside the report."""
    start: float
    end: float
    transcoded: bool = False
    """Encoded again, because browsers do not play the sender's codec; otherwise the sender's own
    packets."""
    truncated: bool = False
    """Shorter than asked for, because a limit was reached."""
    poster: str | None = None
    """``sheets/NAME``, blurred: what is shown before anyone presses play."""

    def __post_init__(self) -> None:
        _check_file(self.file)
        if self.poster is not None:
            _check_file(self.poster)
        if not self.start <= self.end:
            raise ValueError(f"clip must not end before it starts, got [{self.start}, {self.end})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Sampled frames in one picture, sharp and blurred, of the same size."""

    sharp: str
    """``sheets/NAME``, beside the report."""
    blurred: str
    width: int
    height: int

    def __post_init__(self) -> None:
        _check_file(self.sharp)
        _check_file(self.blurred)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An incident with its evidence."""

    id: str
    label: str
    """The leading one."""
    labels: tuple[str, ...]
    category: str
    severity: int
    start: float
    """Where it began; may lie before it was known."""
    opened: float
    """The sample at which it was known."""
    end: float
    peak: float
    """The highest risk of any of its labels."""
    reason: str | None = None
    """Why it is over: ``quiet``, ``unseen``, ``ended``; None where it is not known."""
    shadow: bool = False
    clips: tuple[Clip, ...] = ()
    """In order of time, each at most a minute of the incident."""
    sheet: Sheet | None = None
    missing: str | None = None
    """Why evidence is missing, where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskPoint:
    """The risk of every label just after one sample was folded."""

    at: float
    risk: Mapping[str, float]
    """In [0, 1]; a probability only where the label's policy is fitted."""
    level: Mapping[str, float | None] = field(default_factory=dict)
    """Log-odds of the evidence; None where too little was seen to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A path, or a part of it, that could not be scanned."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """What a scan found of one path."""

    path: str
    duration: float = 0.0
    """0 for a still and for what could not be read."""
    frames: int = 0
    coverage: float = 0.0
    """Share of the duration that was seen."""
    unseen: tuple[Unseen, ...] = ()
    picture: Sheet | None = None
    """Of a still that was flagged."""
    incidents: tuple[Finding, ...] = ()
    timeline: tuple[RiskPoint, ...] = ()
    """In order of time, as many as there were samples: the report thins it."""
    peak_risk: Mapping[str, float] = field(default_factory=dict)
    peak_level: Mapping[str, float | None] = field(default_factory=dict)
    peak_score: Mapping[str, float] = field(default_factory=dict)
    medium: Mapping[str, float] = field(default_factory=dict)
    """Share of the seen time that each medium took."""
    flagged: tuple[str, ...] = ()
    errors: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.coverage <= 1.0:
            raise ValueError(f"coverage must lie in [0, 1], got {self.coverage}")
        if any(
            later.at < earlier.at
            for earlier, later in zip(self.timeline, self.timeline[1:], strict=False)
        ):
            raise ValueError("timeline must be in order of time")

    @property
    def read(self) -> bool:
        """Something of it was looked at."""
        return self.frames > 0


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
    """The thresholds of one label, as they were in force."""

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
    """Whether risk is a probability; before a fit to labelled streams it is an order."""
    shadow: bool = False
    when: tuple[str, ...] = ()
    """The media that count; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncoveredCategory:
    """A category of which no installed model covers these labels."""

    category: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is delivered of one scan."""

    version: str
    """Of Streamwarden."""
    created: str
    """When, as RFC 3339 in UTC; the report has no clock of its own."""
    settings: Mapping[str, str | int | float | bool | None]
    """How it was looked: sampling, limits, provider."""
    models: tuple[ModelUsed, ...]
    policies: tuple[PolicyUsed, ...]
    policy_version: str
    policy_sha256: str
    taxonomy_version: str
    uncovered: tuple[UncoveredCategory, ...]
    paths: tuple[PathReport, ...]

    @property
    def fitted(self) -> bool:
        """Every risk in it is a probability."""
        return all(policy.fitted for policy in self.policies)
