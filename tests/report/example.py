"""A report with something of everything in it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sin

from scanner.report.nouns import (
    Clip,
    Failure,
    Finding,
    ModelUsed,
    PathReport,
    PolicyUsed,
    Report,
    RiskPoint,
    Sheet,
    UncoveredCategory,
)
from scanner.types import Span, Unseen

__all__ = ["HOSTILE", "report", "with_path"]

HOSTILE = "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>\u202egpj.\udce4\x1b[2J{{ 7*7 }}.mp4"
"""HTML, a turned reading direction, a byte that is no text, a terminal's command and a template's.
"""

FINDING = Finding(
    id="3f9c2b7a1d4e5f60",
    label="fire",
    labels=("fire", "smoke"),
    category="hazard",
    severity=2,
    start=10.0,
    opened=12.5,
    end=31.0,
    peak=0.41,
    reason="quiet",
    clips=(
        Clip(file="clips/3f9c.mp4", start=5.0, end=36.0, poster="sheets/3f9c_poster_blurred.jpg"),
    ),
    sheet=Sheet(sharp="sheets/3f9c.jpg", blurred="sheets/3f9c_blurred.jpg", width=1320, height=450),
)
TIMELINE = tuple(
    RiskPoint(
        at=at / 2,
        risk={"fire": 0.2 + 0.2 * sin(at / 9), "smoke": 0.01},
        level={"fire": None if at < 3 else sin(at), "smoke": -1.0},
    )
    for at in range(120)
)
SEEN = PathReport(
    path="channel-7.ts",
    duration=60.0,
    frames=120,
    coverage=0.9,
    unseen=(Unseen(span=Span(start=Fraction(40), end=Fraction(46)), reason="missing"),),
    incidents=(
        FINDING,
        replace(
            FINDING,
            id="aa",
            label="gun",
            labels=("gun",),
            clips=(),
            sheet=None,
            shadow=True,
            missing="the decoder died",
        ),
    ),
    timeline=TIMELINE,
    peak_risk={"fire": 0.4, "smoke": 0.01},
    peak_level={"fire": 4.2, "smoke": None},
    peak_score={"fire": 0.97, "smoke": 0.3},
    medium={"camera": 0.8, "screen": 0.2},
    flagged=("fire", "smoke"),
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
)


def report() -> Report:
    """It has one path with incidents, one that could not be read, one with little seen, and one
    still."""
    return Report(
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
        uncovered=(UncoveredCategory(category="self_harm", labels=("cutting", "noose")),),
        paths=(
            SEEN,
            PathReport(
                path=HOSTILE,
                errors=(Failure(kind="unsupported", message=f"{HOSTILE}: begins with b'<html>'"),),
            ),
            PathReport(path="dark.mkv", duration=60.0, frames=9, coverage=0.3),
            PathReport(
                path="photo.jpg",
                frames=1,
                coverage=1.0,
                peak_score={"fire": 0.01},
                peak_level={"fire": None},
            ),
        ),
    )


def with_path(path: PathReport) -> Report:
    """The report with this path alone."""
    return replace(report(), paths=(path,))
