"""Streams with events at known times, assembled from scored pieces. Pure; the same seed gives the
same streams.

A *safe* stream shows each safe piece of one kind and one fold once, so that no second is counted
twice. A *staged* stream shows one event, with other footage before and after it. Nothing outside
the event is counted there, because its surroundings are used many times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from random import Random
from typing import Final

from scanner.evaluate.streams.pieces import EventClip, FootageKind, FootagePool, Piece
from scanner.media.sampling import Sampling
from scanner.risk.observation import Sampled
from scanner.types import Label, Span

__all__ = [
    "FOLDS",
    "GRACE",
    "AssembledStream",
    "EventLead",
    "PlacedPiece",
    "StagedEvent",
    "assemble",
    "assign_folds",
    "place_pieces",
]

FOLDS: Final = 5
LEAD_SECONDS: Final = Fraction(20)
"""Seconds of other footage before an event: longer than any window of the methods."""
GRACE: Final = Fraction(10)
"""An incident that opens up to this many seconds after the end of an event still detects it."""
TAIL_SECONDS: Final = GRACE + 2
MIN_SAMPLE_GAP: Final = Sampling().min_gap
MAX_PER_GROUP: Final = 12
"""Event clips of one group and label: an hour of one camera is still one camera."""
MAX_PER_KIND: Final = 120
"""Event clips of one label and one kind of footage; groups take turns."""


class EventLead(StrEnum):
    """The footage that a stream shows before the event."""

    OWN = "own"
    """The same camera: the onset has no cut."""
    ORDINARY = "ordinary"
    """Another camera: the onset is a cut."""
    GAMES = "games"
    """A game or a screen: the onset is a cut, and the medium changes with it."""

    @property
    def cut(self) -> bool:
        """Whether the event begins with a cut."""
        return self is not EventLead.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPiece:
    """A piece with its position on the stream's clock."""

    piece: Piece
    start: Fraction
    cut: bool
    """Whether it begins with a cut."""

    @property
    def end(self) -> Fraction:
        """The start of the next piece."""
        return self.start + self.piece.length


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedEvent:
    """A label that is present for a known time."""

    label: Label
    group: str
    span: Span
    lead: EventLead
    shown: FootageKind
    """The footage that shows it: video, frames of a scene, or a photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembledStream:
    """Consecutive pieces, from time 0."""

    name: str
    fold: int
    placed: tuple[PlacedPiece, ...]
    event: StagedEvent | None = None
    """None in a safe stream."""

    @property
    def length(self) -> Fraction:
        """The stream's duration in seconds."""
        return self.placed[-1].end

    def samples(self) -> Iterator[Sampled]:
        """Yield all samples, except those at the end of a piece that a sampler would not take so
        shortly before the next one.

        A short file is sampled once more at its end, so that it has two samples; in a stream the
        next piece follows instead. A cut is reported with the first frame and the first burst after
        it, for the labels that each of them judges.
        """
        following = (*(one.start + one.piece.samples[0].at for one in self.placed[1:]), None)
        for one, next_at in zip(self.placed, following, strict=True):
            samples = (
                one.piece.samples
                if next_at is None
                else tuple(_keep_samples(one.piece.samples, next_at - one.start))
            )
            for sample in samples:
                first = next(other for other in samples if other.is_burst is sample.is_burst)
                yield replace(sample, at=one.start + sample.at, cut=one.cut and sample is first)


def _keep_samples(samples: Sequence[Sampled], next_at: Fraction) -> Iterator[Sampled]:
    """Yield bursts, the first frame, and frames that are early enough before the next piece."""
    first = next((sample.at for sample in samples if not sample.is_burst), None)
    return (
        sample
        for sample in samples
        if sample.is_burst or sample.at == first or next_at - sample.at >= MIN_SAMPLE_GAP
    )


def assemble(pool: FootagePool, seed: int = 0) -> tuple[AssembledStream, ...]:
    """Return all safe and all staged streams of the pool; every stream and every group belongs to
    one fold."""
    folds = assign_folds(pool, seed)
    random = Random(seed)
    safe = _safe_streams(pool.safe, folds, random)
    return (*safe, *_staged_streams(pool, folds, random))


def assign_folds(pool: FootagePool, seed: int = 0) -> dict[str, int]:
    """Return the fold of each group.

    Groups of one label or kind are assigned in turn, so that every fold has some of each.
    """
    random = Random(seed)
    assigned: dict[str, int] = {}
    for groups in _groups_to_assign(pool):
        new = [group for group in groups if group not in assigned]
        random.shuffle(new)
        counts = [sum(assigned.get(group) == fold for group in groups) for fold in range(FOLDS)]
        for group in new:
            fold = min(range(FOLDS), key=lambda index: (counts[index], index))
            assigned[group] = fold
            counts[fold] += 1
    return assigned


def _groups_to_assign(pool: FootagePool) -> Iterator[list[str]]:
    """Yield the groups of each label, then those of each kind of safe footage, in a stable
    order."""
    for label in sorted({clip.label for clip in pool.event_clips}):
        yield sorted({clip.group for clip in pool.event_clips if clip.label == label})
    for kind in FootageKind:
        yield sorted({piece.group for piece in pool.safe if piece.kind is kind})


def _safe_streams(
    pieces: Sequence[Piece], folds: Mapping[str, int], random: Random
) -> Iterator[AssembledStream]:
    together: dict[tuple[int, FootageKind], dict[str, list[Piece]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for piece in pieces:
        if piece.kind is FootageKind.CHANGED:  # its seconds are those of other pieces
            continue
        together[folds[piece.group], piece.kind][piece.group].append(piece)
    for (fold, kind), groups in sorted(together.items()):
        order = sorted(groups)
        random.shuffle(order)
        members = [piece for group in order for piece in groups[group]]
        if kind is not FootageKind.PHOTOGRAPHS:
            yield AssembledStream(
                name=f"safe/{kind}/{fold}", fold=fold, placed=tuple(place_pieces(members))
            )
            continue
        for piece in members:  # one stream each, so that no incident hides another
            yield AssembledStream(
                name=f"safe/{kind}/{piece.name}", fold=fold, placed=tuple(place_pieces([piece]))
            )


def place_pieces(pieces: Iterable[Piece]) -> Iterator[PlacedPiece]:
    """Place the pieces one after another.

    Consecutive pieces of one camera have no cut between them; every clip of a game begins with a
    cut.
    """
    at = Fraction(0)
    group: str | None = None
    for piece in pieces:
        cut = piece.group != group or piece.kind is FootageKind.GAMES
        yield PlacedPiece(piece=piece, start=at, cut=cut)
        at, group = at + piece.length, piece.group


def _staged_streams(
    pool: FootagePool, folds: Mapping[str, int], random: Random
) -> Iterator[AssembledStream]:
    surroundings: dict[tuple[int, FootageKind], list[Piece]] = defaultdict(list)
    for piece in pool.safe:
        surroundings[folds[piece.group], piece.kind].append(piece)
    for label in sorted({clip.label for clip in pool.event_clips}):
        event_clips = [clip for clip in pool.event_clips if clip.label == label]
        drawn = [
            clip
            for kind in FootageKind
            for clip in _draw_clips([clip for clip in event_clips if clip.kind is kind], random)
        ]
        for number, clip in enumerate(drawn):
            fold = folds[clip.group]
            for lead in EventLead:
                before = (
                    clip.before
                    if lead is EventLead.OWN
                    else _draw_pieces(
                        surroundings[fold, FootageKind(lead)], clip.group, LEAD_SECONDS, random
                    )
                )
                after = _draw_pieces(
                    [
                        *surroundings[fold, FootageKind.ORDINARY],
                        *surroundings[fold, FootageKind.GAMES],
                    ],
                    clip.group,
                    TAIL_SECONDS,
                    random,
                )
                if before and after:
                    yield _staged_stream(
                        f"{label}/{number}/{lead}", fold, clip, lead, before, after
                    )


def _draw_clips(event_clips: Sequence[EventClip], random: Random) -> list[EventClip]:
    """Draw at most ``MAX_PER_GROUP`` clips of each group and ``MAX_PER_KIND`` in all; groups take
    turns."""
    groups: dict[str, list[EventClip]] = defaultdict(list)
    for clip in event_clips:
        groups[clip.group].append(clip)
    for members in groups.values():
        random.shuffle(members)
    order = sorted(groups)
    random.shuffle(order)
    turns = [
        groups[group][turn]
        for turn in range(MAX_PER_GROUP)
        for group in order
        if turn < len(groups[group])
    ]
    return turns[:MAX_PER_KIND]


def _draw_pieces(
    pool: Sequence[Piece], group: str, seconds: Fraction, random: Random
) -> tuple[Piece, ...]:
    """Draw random pieces of other groups until they last ``seconds``."""
    others = [piece for piece in pool if piece.group != group]
    random.shuffle(others)
    chosen: list[Piece] = []
    for piece in others:
        chosen.append(piece)
        if sum(one.length for one in chosen) >= seconds:
            break
    return tuple(chosen)


def _staged_stream(
    name: str,
    fold: int,
    clip: EventClip,
    lead: EventLead,
    before: Sequence[Piece],
    after: Sequence[Piece],
) -> AssembledStream:
    placed = list(place_pieces([*before, *clip.pieces, *after]))
    first, following = len(before), len(before) + len(clip.pieces)
    placed[first] = replace(placed[first], cut=lead.cut)
    placed[following] = replace(placed[following], cut=True)
    onset = placed[first].start
    event = StagedEvent(
        label=clip.label,
        group=clip.group,
        span=Span(start=onset, end=onset + clip.length),
        lead=lead,
        shown=clip.kind,
    )
    return AssembledStream(name=name, fold=fold, placed=tuple(placed), event=event)
