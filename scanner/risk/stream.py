"""The state of the fold: frozen, with an exact JSON form, so that it can be stored and moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.risk.coverage import Coverage
from scanner.risk.escalation import add_past
from scanner.risk.incident import Incident, PastIncident
from scanner.risk.methods import METHODS
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies
from scanner.types import Label, Medium, StreamId

__all__ = ["Excursion", "LabelRisk", "OpenIncident", "StreamRisk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """The time in which the level of one label is high, from its opening to its closing."""

    start: Fraction
    """Time of the first sample that supports the level."""
    opened: Fraction
    """Time of the sample or signal at which it opened."""
    last: Fraction
    """Time of the latest sample that supports the level."""
    low_seconds: Fraction = Fraction(0)
    """Seconds that were seen since the level fell below the closing level."""
    peak: float
    """Highest risk so far."""
    shadow: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the value as ``json.dumps`` takes it."""
        times = {
            name: dump_fraction(getattr(self, name))
            for name in ("start", "opened", "last", "low_seconds")
        }
        return {**times, "peak": self.peak, "shadow": self.shadow}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Excursion:
        """Return the excursion that ``to_json`` wrote."""
        times = {
            name: load_fraction(data[name]) for name in ("start", "opened", "last", "low_seconds")
        }
        return cls(**times, peak=data["peak"], shadow=data["shadow"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRisk:
    """The risk of one label of one stream."""

    method: str
    """Name of the method whose state this is."""
    basis: str
    """``Policies.basis`` of the policy that the state was folded under."""
    state: Any
    """State of the method, frozen."""
    at: Fraction | None = None
    """Time of the latest sample; None before the first."""
    counted_at: Fraction | None = None
    """Time of the latest sample whose medium counts."""
    level: float | None = None
    """Level as of the latest sample; None while too little was seen to know it."""
    excursion: Excursion | None = None
    """The open excursion, if any."""
    peak_level: float | None = None
    """Highest level so far."""
    peak_risk: float = 0.0
    """Highest risk so far, 0 before a level is known."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as ``json.dumps`` takes it."""
        return {
            "method": self.method,
            "basis": self.basis,
            "state": METHODS[self.method].dump(self.state),
            "at": dump_optional(self.at),
            "counted_at": dump_optional(self.counted_at),
            "level": self.level,
            "excursion": None if self.excursion is None else self.excursion.to_json(),
            "peak_level": self.peak_level,
            "peak_risk": self.peak_risk,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabelRisk:
        """Return the risk that ``to_json`` wrote."""
        return cls(
            method=data["method"],
            basis=data["basis"],
            state=METHODS[data["method"]].load(data["state"]),
            at=load_optional(data["at"]),
            counted_at=load_optional(data["counted_at"]),
            level=data["level"],
            excursion=None if data["excursion"] is None else Excursion.from_json(data["excursion"]),
            peak_level=data["peak_level"],
            peak_risk=data["peak_risk"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """An incident that is open."""

    incident: Incident
    """The incident with its peak so far and its last reported revision."""
    last: Fraction
    """Time of the latest sample that supports it."""
    reported_at: Fraction
    """Time of its last reported revision."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as ``json.dumps`` takes it."""
        return {
            "incident": self.incident.to_json(),
            "last": dump_fraction(self.last),
            "reported_at": dump_fraction(self.reported_at),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OpenIncident:
        """Return the open incident that ``to_json`` wrote."""
        return cls(
            incident=Incident.from_json(data["incident"]),
            last=load_fraction(data["last"]),
            reported_at=load_fraction(data["reported_at"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRisk:
    """The state of one stream in the fold. A new stream is ``StreamRisk(stream_id=...)``."""

    stream_id: StreamId
    at: Fraction = Fraction(0)
    """Time up to which the stream is folded."""
    settled: Fraction = Fraction(0)
    """Time before which no observation is accepted: that of the latest sample or signal, or the
    start of the latest gap."""
    sampled: Fraction | None = None
    """Time of the latest sample that is not a burst."""
    labels: Mapping[Label, LabelRisk] = field(default_factory=dict)
    media: tuple[Mapping[Medium, float], ...] = ()
    """Media of the latest samples whose medium is known, oldest first."""
    signals: tuple[Signal, ...] = ()
    """The signals in force."""
    open_incidents: tuple[OpenIncident, ...] = ()
    """At most one live incident and one in shadow."""
    past: tuple[PastIncident, ...] = ()
    """Earlier incidents of the stream and of its channel, the latest ones, in order."""
    coverage: Coverage = field(default_factory=Coverage)
    ended: bool = False

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The incidents that are open."""
        return tuple(one.incident for one in self.open_incidents)

    @property
    def levels(self) -> dict[Label, float | None]:
        """Level of each label now; None where too little was seen to know it."""
        return {label: state.level for label, state in self.labels.items()}

    def boost(self, label: Label) -> float:
        """Return what the signals in force add to the label's level."""
        return sum(s.boost for s in self.signals if s.labels is None or label in s.labels)

    def with_history(self, incidents: Iterable[PastIncident]) -> StreamRisk:
        """Return the risk with incidents of other streams; their ages count from now."""
        placed = (replace(one, opened=self.at + one.opened) for one in incidents)
        return replace(self, past=add_past(self.past, placed))

    def risks(self, policies: Policies) -> dict[Label, float]:
        """Return the risk of each label that has a policy; the prior if its level is not known."""
        states = {label: self.labels.get(label) for label in policies.labels}
        levels = {label: None if state is None else state.level for label, state in states.items()}
        return {
            label: policies.labels[label].risk(level, self.boost(label))
            for label, level in levels.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return the risk as ``json.dumps`` takes it; fractions are pairs of integers."""
        return {
            "stream_id": self.stream_id,
            "at": dump_fraction(self.at),
            "settled": dump_fraction(self.settled),
            "sampled": dump_optional(self.sampled),
            "labels": {label: state.to_json() for label, state in self.labels.items()},
            "media": [dict(medium) for medium in self.media],
            "signals": [signal.to_json() for signal in self.signals],
            "open_incidents": [one.to_json() for one in self.open_incidents],
            "past": [one.to_json() for one in self.past],
            "coverage": self.coverage.to_json(),
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StreamRisk:
        """Return the risk that ``to_json`` wrote, equal to the bit."""
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
            open_incidents=tuple(OpenIncident.from_json(one) for one in data["open_incidents"]),
            past=tuple(PastIncident.from_json(one) for one in data.get("past", ())),
            coverage=Coverage.from_json(data["coverage"]),
            ended=data["ended"],
        )
