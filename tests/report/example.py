"""A report with something of everything in it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sin

from scanner.report.nouns import (
    Clip,
    Failure,
    IncidentReport,
    ModelUsed,
    PathReport,
    PolicyUsed,
    ScanReport,
    Sheet,
    UncoveredCategory,
)
from scanner.report.timeline import RiskSeries
from scanner.risk.incident import Incident, Reason
from scanner.stream.events import StreamSummary
from scanner.types import Label, Medium, Span, StreamId, Unseen

__all__ = [
    "FIRE",
    "GUN",
    "HOSTILE",
    "POLICY",
    "SEEN",
    "SMOKE",
    "make_report",
    "with_path",
    "with_summary",
]

HOSTILE = (
    "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>"
    "\u202egpj.\udce4\x1b[2J{{ 7*7 }}.mp4"
)
"""HTML, a turned reading direction, a byte that is not text, a terminal's command and a template's.
"""
FIRE, SMOKE, GUN = Label("fire"), Label("smoke"), Label("gun")

INCIDENT = Incident(
    id="3f9c2b7a1d4e5f60",
    stream_id=StreamId("channel-7"),
    label=FIRE,
    labels=(FIRE, SMOKE),
    category="hazard",
    severity=2,
    start=Fraction(10),
    opened=Fraction(25, 2),
    end=Fraction(31),
    peak=0.4,
    reason=Reason.QUIET,
)
EVIDENCE = IncidentReport(
    incident=INCIDENT,
    clips=(
        Clip(
            file="clips/3f9c.mp4",
            span=Span(start=Fraction(5), end=Fraction(36)),
            poster="sheets/3f9c_poster_blurred.jpg",
        ),
    ),
    sheet=Sheet(sharp="sheets/3f9c.jpg", blurred="sheets/3f9c_blurred.jpg", width=1320, height=450),
)
IN_SHADOW = IncidentReport(
    incident=replace(INCIDENT, id="aa", label=GUN, labels=(GUN,), shadow=True),
    missing="the decoder died",
)
TIMES = tuple(at / 2 for at in range(120))
SEEN = PathReport(
    path="channel-7.ts",
    summary=StreamSummary(
        duration=Fraction(60),
        frames=120,
        coverage=0.9,
        medium={Medium.CAMERA: 0.8, Medium.SCREEN: 0.2},
        peak_risk={FIRE: 0.4, SMOKE: 0.01},
        peak_level={FIRE: 4.2, SMOKE: None},
        peak_score={FIRE: 0.97, SMOKE: 0.3},
        flagged=(FIRE, SMOKE),
    ),
    unseen=(Unseen(span=Span(start=Fraction(40), end=Fraction(46)), reason="missing"),),
    incidents=(EVIDENCE, IN_SHADOW),
    timeline={
        FIRE: RiskSeries(
            at=TIMES,
            risk=tuple(0.2 + 0.2 * sin(at / 9) for at in range(120)),
            level=tuple(None if at < 3 else sin(at) for at in range(120)),
        ),
        SMOKE: RiskSeries(at=TIMES, risk=(0.01,) * 120, level=(-1.0,) * 120),
    },
)
POLICY = PolicyUsed(
    label="fire",
    category="hazard",
    severity=2,
    open_level=3.2,
    open_risk=0.064,
    close_level=2.2,
    dwell=2.5,
    fitted=False,
    when=("camera",),
    open_score=0.9608,
)


def make_report() -> ScanReport:
    """Return a report with a path that has incidents, one that could not be read, one of which
    little was seen, and a still picture."""
    return ScanReport(
        version="0.1.0",
        created="2026-11-24T20:40:00Z",
        settings={
            "sampling": "adaptive",
            "max_gap": 2.0,
            "window": 10,
            "reuse": True,
            "models_dir": None,
        },
        models=(
            ModelUsed(
                name="streamwarden-frame",
                version="1",
                sha256="9f" * 32,
                labels=("fire", "smoke"),
                licence="Apache-2.0",
            ),
        ),
        policies=(POLICY, replace(POLICY, label="smoke")),
        policy_version="1",
        policy_sha256="ab" * 32,
        taxonomy_version="1",
        uncovered=(
            UncoveredCategory(category="self_harm", labels=("cutting", "noose"), whole=True),
        ),
        paths=(SEEN, *_other_paths()),
    )


def _other_paths() -> tuple[PathReport, ...]:
    failure = Failure(kind="unsupported", message=f"{HOSTILE}: begins with b'<html>'")
    dark = _summary(duration=Fraction(60), frames=9, coverage=0.3)
    still = _summary(frames=1, coverage=1.0, peak_score={FIRE: 0.01})
    return (
        PathReport(path=HOSTILE, errors=(failure,)),
        PathReport(path="dark.mkv", summary=dark),
        PathReport(path="photo.jpg", summary=still),
    )


def with_path(path: PathReport) -> ScanReport:
    """Return the report with this path alone."""
    return replace(make_report(), paths=(path,))


def with_summary(path: PathReport, **changes: object) -> PathReport:
    """Return the path with these changes to its summary."""
    return replace(path, summary=replace(path.summary, **changes))  # type: ignore[arg-type]  # of its fields


def _summary(**values: object) -> StreamSummary:
    return replace(PathReport(path="").summary, **values)  # type: ignore[arg-type]  # of its fields
