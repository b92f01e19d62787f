"""A stream as a frozen value: everything that is needed to fold its next turn, on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Self

from scanner.errors import FormatError
from scanner.rational import dump_fraction, load_fraction
from scanner.risk.observation import Signal
from scanner.risk.stream import StreamRisk
from scanner.stream.burst_account import BurstAccount
from scanner.stream.clock import Clock
from scanner.stream.events import StreamEvent
from scanner.types import GapReason, Label, Medium, ScoredSegment, Span, StreamId

__all__ = ["Hole", "StillScores", "StreamProgress", "StreamState"]

VERSION: Final = 2
"""Version of the state's JSON; a reader refuses every other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """The place of sequences that were given up, for one of them that arrives late."""

    first: int
    last: int
    """The last sequence, inclusive."""
    span: Span
    """Stream seconds of the hole."""
    shift: Fraction
    """Stream seconds minus PTS seconds in the epoch of the segment after the hole."""

    def to_json(self) -> list[Any]:
        """Return the hole as ``json.dumps`` takes it."""
        times = (self.span.start, self.span.end, self.shift)
        return [self.first, self.last, *(dump_fraction(time) for time in times)]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        """Return the hole that ``to_json`` wrote."""
        first, last, *times = data
        start, end, shift = (load_fraction(time) for time in times)
        return cls(first=first, last=last, span=Span(start=start, end=end), shift=shift)


@dataclass(frozen=True, slots=True, kw_only=True)
class StillScores:
    """The scores of a file that is one picture."""

    values: Mapping[Label, float]
    medium: Mapping[Medium, float]

    @classmethod
    def of_segment(cls, segment: ScoredSegment) -> Self | None:
        """Return the scores of the picture that the segment is; None if it was not decoded."""
        if not segment.frames:
            return None
        first = segment.frames[0]
        return cls(values=first.values, medium=first.medium)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """The state of one stream; bounded, however long the stream runs.

    A new stream is ``StreamState.new(stream_id)``. ``advance`` gives the next state.
    """

    stream_id: StreamId
    channel: str | None = None
    """Its channel, which decides the policies; None without one."""
    turn: int = 0
    """Number of the turn that comes next, or that is being folded."""
    part: int = 0
    """Parts of that turn that are folded: windows of a file."""
    generation: int = 0
    """Configuration generation that the last turn was folded with."""
    clock: Clock = field(default_factory=Clock)
    risk: StreamRisk
    hole_reason: GapReason = "missing"
    """Reason of a hole before the next segment."""
    latest: int = -1
    """Highest sequence that was scored, failed or was reported lost."""
    missing: tuple[tuple[int, int], ...] = ()
    """Sequences given up since the last segment that was placed: first and last of each range."""
    holes: tuple[Hole, ...] = ()
    """The latest holes, oldest first."""
    signals: tuple[Signal, ...] = ()
    """Signals that lie ahead of the stream's clock, to be folded with the next segment."""
    failures: int = 0
    frames: int = 0
    peaks: Mapping[Label, float] = field(default_factory=dict)
    """Highest score of each label."""
    flagged: frozenset[Label] = frozenset()
    still: StillScores | None = None
    """Scores of the picture, if the stream is a file with one picture."""
    run: tuple[int, ...] = ()
    """Sequences of the segments that decoding of the next one may need (``scanner.stream.run``)."""
    bursts: BurstAccount = field(default_factory=BurstAccount)
    """Work that bursts took and may take."""
    ended: bool = False

    @classmethod
    def new(cls, stream_id: StreamId, channel: str | None = None) -> Self:
        """Return the state of a stream of which nothing has arrived."""
        return cls(stream_id=stream_id, channel=channel, risk=StreamRisk(stream_id=stream_id))

    @property
    def needed_from(self) -> int:
        """Sequence of the first segment that decoding of a later one may need."""
        return self.run[0] if self.run else self.latest + 1

    @property
    def position(self) -> tuple[int, int]:
        """Turn and part that are folded next; it rises with all progress."""
        return self.turn, self.part

    def to_json(self) -> dict[str, Any]:
        """Return the state as ``json.dumps`` takes it; exact, with a version."""
        return {
            "version": VERSION,
            "stream_id": self.stream_id,
            "channel": self.channel,
            "turn": self.turn,
            "part": self.part,
            "generation": self.generation,
            "clock": self.clock.to_json(),
            "risk": self.risk.to_json(),
            "hole_reason": self.hole_reason,
            "latest": self.latest,
            "missing": [list(pair) for pair in self.missing],
            "holes": [hole.to_json() for hole in self.holes],
            "signals": [signal.to_json() for signal in self.signals],
            "failures": self.failures,
            "frames": self.frames,
            "peaks": dict(self.peaks),
            "flagged": sorted(self.flagged),
            "still": None
            if self.still is None
            else [dict(self.still.values), dict(self.still.medium)],
            "run": list(self.run),
            "bursts": self.bursts.to_json(),
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the state that ``to_json`` wrote, equal to the bit.

        Raises:
            FormatError: the state has another version, or is not a state.
        """
        if data.get("version") != VERSION:
            raise FormatError(
                f"stream state: version {data.get('version')!r}, this release reads {VERSION}"
            )
        try:
            return cls(
                stream_id=StreamId(data["stream_id"]),
                channel=data.get("channel"),
                turn=data["turn"],
                part=data["part"],
                generation=data["generation"],
                clock=Clock.from_json(data["clock"]),
                risk=StreamRisk.from_json(data["risk"]),
                hole_reason=data["hole_reason"],
                latest=data["latest"],
                missing=tuple((first, last) for first, last in data["missing"]),
                holes=tuple(Hole.from_json(hole) for hole in data["holes"]),
                signals=tuple(Signal.from_json(signal) for signal in data["signals"]),
                failures=data["failures"],
                frames=data["frames"],
                peaks={Label(label): value for label, value in data["peaks"].items()},
                flagged=frozenset(Label(label) for label in data["flagged"]),
                still=_load_still(data["still"]),
                run=tuple(data["run"]),
                bursts=BurstAccount.from_json(data["bursts"]),
                ended=data["ended"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"stream state: cannot be read: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProgress:
    """The events of one or more parts of a stream's turns, and the state after them.

    Turn *n* is complete once ``state.turn`` is above *n*.
    """

    state: StreamState
    events: tuple[StreamEvent, ...]
    turn_ends: tuple[int, ...] = ()
    """For each turn that is complete, the number of ``events`` up to its end; events after the last
    of them belong to ``state.turn``."""

    @property
    def stream_id(self) -> StreamId:
        """The stream that advanced."""
        return self.state.stream_id

    def followed_by(self, later: StreamProgress) -> StreamProgress:
        """Return this progress and the one after it as one."""
        shift = len(self.events)
        return StreamProgress(
            state=later.state,
            events=(*self.events, *later.events),
            turn_ends=(*self.turn_ends, *(shift + end for end in later.turn_ends)),
        )


def _load_still(data: list[Any] | None) -> StillScores | None:
    if data is None:
        return None
    values, medium = data
    return StillScores(
        values={Label(label): value for label, value in values.items()},
        medium={Medium(name): share for name, share in medium.items()},
    )
