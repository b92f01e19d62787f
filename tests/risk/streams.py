"""Streams for the tests of the fold: short ways to write observations, and Hypothesis strategies
for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st

from scanner.risk.fold import fold_observation
from scanner.risk.incident import Closed, Incident, RiskEvent
from scanner.risk.methods import METHODS
from scanner.risk.observation import Gap, Observation, Sampled, Signal, Stalled
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import StreamRisk
from scanner.types import Label, Medium, Span, StreamId

FIRE = Label("fire")
GUN = Label("gun")
HIGH, LOW = 0.99, 0.01
CAMERA, GAME = {Medium.CAMERA: 1.0}, {Medium.RENDERED: 1.0}
quick = settings(max_examples=50, deadline=None)


def policies(method: str = "dwell", **changes: object) -> Policies:
    """Return one policy, for ``fire``."""
    return Policies(labels={FIRE: Policy(category="hazard", method=method, **changes)})  # type: ignore[arg-type]


def new() -> StreamRisk:
    """Return the risk of a stream without observations."""
    return StreamRisk(stream_id=StreamId("s1"))


def fold(
    observations: Iterable[Observation], rules: Policies, risk: StreamRisk | None = None
) -> tuple[StreamRisk, list[RiskEvent]]:
    """Fold all observations, one after another."""
    risk, events = risk or new(), list[RiskEvent]()
    for observation in observations:
        risk, caused = fold_observation(risk, observation, rules)
        events += caused
    return risk, events


def samples(
    values: Iterable[float],
    *,
    start: float | Fraction = 0,
    step: float | Fraction = 0.5,
    **more: object,
) -> list[Sampled]:
    """Return samples of ``fire``, one every ``step`` seconds."""
    at, by = Fraction(start), Fraction(step)
    return [Sampled(at=at + by * k, values={FIRE: value}, **more) for k, value in enumerate(values)]  # type: ignore[arg-type]


def gap(start: float | Fraction, end: float | Fraction, reason: str = "missing") -> Gap:
    """Return a gap from start to end."""
    return Gap(span=Span(start=Fraction(start), end=Fraction(end)), reason=reason)


def seconds(value: float, duration: float) -> list[float]:
    """Return one score at two samples a second."""
    return [value] * int(duration * 2)


def time_passes(at: Fraction | float) -> Gap:
    """Return an empty gap: unseen time has passed, and nothing else is known."""
    return Gap(span=Span(start=Fraction(at), end=Fraction(at)), reason="missing")


def incidents(events: Sequence[RiskEvent]) -> list[Incident]:
    """Return the incidents that closed, in their last revision."""
    return [event.incident for event in events if isinstance(event, Closed)]


def pauses(longest: int) -> st.SearchStrategy[Fraction]:
    """Draw whole ticks of the time bases of containers, from a tick to ``longest`` seconds."""
    bases = st.sampled_from(
        [
            Fraction(1, 2),
            Fraction(1001, 30000),
            Fraction(1, 1000),
            Fraction(1, 12800),
            Fraction(1, 90000),
        ]
    )
    return bases.flatmap(
        lambda base: st.integers(1, int(longest / base)).map(lambda ticks: ticks * base)
    )


steps, unbroken = pauses(5), pauses(2)
scores = st.one_of(st.sampled_from([0.0, LOW, 0.5, 0.95, HIGH, 1.0]), st.floats(0.0, 1.0))
methods = st.sampled_from(sorted(METHODS))


@st.composite
def sampled_streams(
    draw: st.DrawFn, *, least: int = 1, most: int = 30, between: st.SearchStrategy[Fraction] = steps
) -> list[Sampled]:
    """Draw samples at any times, with any scores of two labels, some cuts and some media."""
    at, out = Fraction(0), []
    for _ in range(draw(st.integers(least, most))):
        values = (
            {FIRE: draw(scores)} if draw(st.booleans()) else {FIRE: draw(scores), GUN: draw(scores)}
        )
        medium = draw(
            st.sampled_from([{}, CAMERA, GAME, {Medium.CAMERA: 0.25, Medium.SCREEN: 0.75}])
        )
        out.append(Sampled(at=at, values=values, medium=medium, cut=draw(st.booleans())))
        at += draw(between)
    return out


@st.composite
def observed_streams(draw: st.DrawFn) -> list[Observation]:
    """Draw samples with gaps, unseen time, stalls and signals between them."""
    out: list[Observation] = []
    shift = Fraction(0)
    for sampled in draw(sampled_streams()):
        out.append(
            Sampled(
                at=sampled.at + shift, values=sampled.values, medium=sampled.medium, cut=sampled.cut
            )
        )
        now, kind = (
            out[-1].at,
            draw(st.sampled_from(["sample", "sample", "sample", "gap", "wait", "stall", "signal"])),
        )
        length = draw(st.sampled_from([Fraction(1, 3), Fraction(7), Fraction(40)]))
        if kind == "gap":
            out.append(Gap(span=Span(start=now, end=now + length), reason="missing"))
        if kind == "stall":
            out.append(Stalled(at=now))
        if kind == "wait":
            out.append(time_passes(now + length))
        if kind == "signal":
            out.append(
                Signal(
                    at=now,
                    name="report",
                    ratio=draw(st.sampled_from([0.1, 20.0])),
                    until=now + length,
                )
            )
        shift += length if kind in ("gap", "wait") else 0
    return out


def kinds(events: list[RiskEvent]) -> list[type]:
    """Return the class of each event, in order."""
    return [type(event) for event in events]


def both(fire: float, gun: float, at: float) -> Sampled:
    """Return one sample of ``fire`` and ``gun``."""
    return Sampled(at=Fraction(at), values={FIRE: fire, GUN: gun})


def two(**gun: object) -> Policies:
    """Return a policy for ``fire`` and one, with changes, for ``gun``."""
    more = Policy(category="violence", severity=3, **gun)  # type: ignore[arg-type]
    return Policies(labels={FIRE: Policy(category="hazard", severity=2), GUN: more})
