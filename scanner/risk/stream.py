"""The state of the fold: frozen, and JSON-able so that it can be checkpointed, moved and replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.risk.coverage import Coverage
from scanner.risk.incident import Incident
from scanner.risk.methods import METHODS
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies
from scanner.types import Label, Medium, StreamId

__all__ = ["Excursion", "LabelRisk", "Running", "StreamRisk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """One label between its opening and its closing."""

    start: Fraction
    opened: Fraction
    last: Fraction
    """The last look that carried it."""
    quiet: Fraction = Fraction(0)
    """Seen seconds since the level fell below the closing one."""
    peak: float
    """Highest risk."""
    shadow: bool = False

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        times = {
            name: dump_fraction(getattr(self, name))
            for name in ("start", "opened", "last", "quiet")
        }
        return {**times, "peak": self.peak, "shadow": self.shadow}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Excursion:
        """The excursion that ``to_json`` wrote."""
        times = {name: load_fraction(data[name]) for name in ("start", "opened", "last", "quiet")}
        return cls(**times, peak=data["peak"], shadow=data["shadow"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRisk:
    """One label of one stream."""

    method: str
    basis: str
    """What the state is worth something under: ``Policies.basis``."""
    state: Any
    """The method's own, frozen."""
    at: Fraction | None = None
    """Of the last look; None before the first."""
    counted: Fraction | None = None
    """Of the last look whose medium counts."""
    level: float | None = None
    """As of the last look; None: too little was seen to know."""
    excursion: Excursion | None = None
    peak_level: float | None = None
    """Highest so far."""
    peak_risk: float = 0.0
    """Highest so far, 0 before anything is known."""

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        return {
            "method": self.method,
            "basis": self.basis,
            "state": METHODS[self.method].dump(self.state),
            "at": dump_optional(self.at),
            "counted": dump_optional(self.counted),
            "level": self.level,
            "excursion": None if self.excursion is None else self.excursion.to_json(),
            "peak_level": self.peak_level,
            "peak_risk": self.peak_risk,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelRisk:
        """The state that ``to_json`` wrote."""
        return cls(
            method=data["method"],
            basis=data["basis"],
            state=METHODS[data["method"]].load(data["state"]),
            at=load_optional(data["at"]),
            counted=load_optional(data["counted"]),
            level=data["level"],
            excursion=None if data["excursion"] is None else Excursion.from_json(data["excursion"]),
            peak_level=data["peak_level"],
            peak_risk=data["peak_risk"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An incident that is not over."""

    incident: Incident
    """With its highest peak so far and the revision told last."""
    last: Fraction
    """The last look that carried it."""
    told_at: Fraction
    """When its last revision was."""

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
        return {
            "incident": self.incident.to_json(),
            "last": dump_fraction(self.last),
            "told_at": dump_fraction(self.told_at),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Running:
        """The running incident that ``to_json`` wrote."""
        return cls(
            incident=Incident.from_json(data["incident"]),
            last=load_fraction(data["last"]),
            told_at=load_fraction(data["told_at"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRisk:
    """All that the fold knows of a stream. A new stream is ``StreamRisk(stream_id=...)``."""

    stream_id: StreamId
    at: Fraction = Fraction(0)
    """How far time has come."""
    settled: Fraction = Fraction(0)
    """Nothing older is taken: of the last look, signal or tick, or the last gap's start."""
    sampled: Fraction | None = None
    """Of the last look."""
    labels: Mapping[Label, LabelRisk] = field(default_factory=dict)
    media: tuple[Mapping[Medium, float], ...] = ()
    """Of the last looks that told their medium, oldest first."""
    signals: tuple[Signal, ...] = ()
    """In force."""
    running: tuple[Running, ...] = ()
    """At most one that is live and one in shadow."""
    coverage: Coverage = field(default_factory=Coverage)
    ended: bool = False

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Those that are open now."""
        return tuple(r.incident for r in self.running)

    @property
    def levels(self) -> dict[Label, float | None]:
        """Level of each label now; None where too little was seen to know."""
        return {label: state.level for label, state in self.labels.items()}

    def boost(self, label: Label) -> float:
        """What the signals in force add to the label's level."""
        return sum(s.boost for s in self.signals if s.labels is None or label in s.labels)

    def risks(self, policies: Policies) -> dict[Label, float]:
        """Risk of each label that has a policy; the prior where too little was seen to know."""
        states = {label: self.labels.get(label) for label in policies.labels}
        levels = {label: None if state is None else state.level for label, state in states.items()}
        return {
            label: policies.labels[label].risk(level, self.boost(label))
            for label, level in levels.items()
        }

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes; fractions are strings."""
        return {
            "stream_id": self.stream_id,
            "at": dump_fraction(self.at),
            "settled": dump_fraction(self.settled),
            "sampled": dump_optional(self.sampled),
            "labels": {label: state.to_json() for label, state in self.labels.items()},
            "media": [dict(medium) for medium in self.media],
            "signals": [signal.to_json() for signal in self.signals],
            "running": [running.to_json() for running in self.running],
            "coverage": self.coverage.to_json(),
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StreamRisk:
        """The risk that ``to_json`` wrote, equal to the bit; it goes on as if it had never been
        away."""
        return cls(
            stream_id=data["stream_id"],
            at=load_fraction(data["at"]),
            settled=load_fraction(data["settled"]),
            sampled=load_optional(data["sampled"]),
            labels={
                Label(label): LabelRisk.from_json(state) for label, state in data["labels"].items()
            },
            media=tuple(
                {Medium(name): share for name, share in medium.items()} for medium in data["media"]
            ),
            signals=tuple(Signal.from_json(signal) for signal in data["signals"]),
            running=tuple(Running.from_json(running) for running in data["running"]),
            coverage=Coverage.from_json(data["coverage"]),
            ended=data["ended"],
        )
