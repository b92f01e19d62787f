"""Recordings with chosen scores, so that streams are assembled without a model or a file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from scanner.evaluate.rows import LabelledRow
from scanner.evaluate.streams.assemble import AssembledStream, EventLead, PlacedPiece, StagedEvent
from scanner.evaluate.streams.pieces import FootageKind, Piece
from scanner.evaluate.streams.recordings import Recording
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policies, Policy
from scanner.types import Label, Medium, Span

FIGHT, GUN, FIRE = Label("fight"), Label("gun"), Label("fire")
CAMERA = {Medium.CAMERA: 1.0}
GAP = Fraction(9, 4)


def row(task: str, label: str, group: str, name: str) -> LabelledRow:
    return LabelledRow(path=Path("/footage") / name, task=task, label=label, group=group, name=name)


def recorded_clip(
    task: str,
    label: str,
    group: str,
    name: str,
    scores: Sequence[float],
    *,
    scored: Label = FIGHT,
    step: int = 2,
) -> Recording:
    """Return a video that is sampled every ``step`` seconds."""
    samples = tuple(
        Sampled(at=Fraction(step * k), values={scored: score}, medium=CAMERA)
        for k, score in enumerate(scores)
    )
    return Recording(
        row=row(task, label, group, name), samples=samples, length=Fraction(step * len(scores))
    )


def recorded_still(
    task: str, label: str, group: str, name: str, score: float, scored: Label = GUN
) -> Recording:
    """Return a still picture with this score."""
    sample = Sampled(at=Fraction(0), values={scored: score}, medium=CAMERA)
    return Recording(row=row(task, label, group, name), samples=(sample,), length=Fraction(0))


def piece(
    scores: Sequence[float],
    *,
    name: str = "p",
    group: str = "g",
    kind: FootageKind = FootageKind.ORDINARY,
    step: int = 2,
) -> Piece:
    """A piece with a sample of ``fight`` for each score."""
    samples = tuple(
        Sampled(at=Fraction(step * k), values={FIGHT: score}, medium=CAMERA)
        for k, score in enumerate(scores)
    )
    return Piece(
        name=name, group=group, kind=kind, length=Fraction(step * len(scores)), samples=samples
    )


def stream(
    *pieces: Piece,
    event: Span | None = None,
    lead: EventLead = EventLead.OWN,
    fold: int = 0,
    name: str = "s",
    group: str = "g",
) -> AssembledStream:
    """Pieces side by side, each a scene of its own."""
    placed, at = [], Fraction(0)
    for one in pieces:
        placed.append(PlacedPiece(piece=one, start=at, cut=True))
        at += one.length
    shown = (
        None
        if event is None
        else StagedEvent(
            label=FIGHT, group=group, span=event, lead=lead, shown=FootageKind.ORDINARY
        )
    )
    return AssembledStream(name=name, fold=fold, placed=tuple(placed), event=shown)


def policies(**changes: object) -> Policies:
    """One policy, for ``fight``."""
    return Policies(labels={FIGHT: Policy(category="violence", hold=GAP, **changes)}, max_gap=GAP)  # type: ignore[arg-type]


def recordings_of_cameras(
    cameras: int = 10, *, fight: float = 0.99, calm: float = 0.02
) -> list[Recording]:
    """Cameras, each with a calm scene and a fight, and as many games."""
    found: list[Recording] = []
    for k in range(cameras):
        found.append(recorded_clip("violence_clip", "0", f"camera{k}", f"calm{k}.mp4", [calm] * 12))
        found.append(
            recorded_clip("violence_clip", "1", f"camera{k}", f"fight{k}.mp4", [fight] * 5)
        )
        found.append(recorded_clip("game_video", "screen", f"game{k}", f"game{k}.mp4", [calm] * 12))
    return found
