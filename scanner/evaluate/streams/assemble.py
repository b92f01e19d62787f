"""Streams with events at known times, put together from scored pieces. Pure, and the same for the
same seed.

A *safe* stream shows each safe piece of one kind and one fold once, so that no second of it is
counted twice. A *staged* stream shows one event: something before it, the event, something after
it. Nothing that happens outside the event is counted there, because its surroundings are used many
times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from random import Random
from typing import Final

from scanner.evaluate.streams.footage import Footage, Kind, Piece, Take
from scanner.media.sampling import Sampling
from scanner.risk.observation import Ended, Observation, Sampled
from scanner.types import Label, Span

__all__ = ["FOLDS", "GRACE", "Event", "Lead", "Placed", "Stream", "assemble", "fold_of"]

FOLDS: Final = 5
LED_BY: Final = Fraction(20)
"""Seconds of other footage before an event: more than any window in the table."""
GRACE: Final = Fraction(10)
"""An incident that opens up to so many seconds after an event is over has still found it."""
FOLLOWED_BY: Final = GRACE + 2
SOONEST: Final = Sampling().min_gap
PER_GROUP: Final = 12
"""Takes of one group and label, at most: an hour of one camera is still one camera."""
PER_KIND: Final = 120
"""Takes of one label and one kind of footage, at most, groups taking turns."""


class Lead(StrEnum):
    """What a stream shows before the event."""

    OWN = "own"
    """The same camera: the onset comes without a cut."""
    ORDINARY = "ordinary"
    """Another camera: the onset is a cut."""
    GAMES = "games"
    """A game or a screen: the onset is a cut, and the medium changes with it."""

    @property
    def cut(self) -> bool:
        """Whether a scene begins with the event."""
        return self is not Lead.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A piece on the stream's clock."""

    piece: Piece
    start: Fraction
    cut: bool
    """A scene begins with it."""

    @property
    def end(self) -> Fraction:
        """Where the next one begins."""
        return self.start + self.piece.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A label, there for a known time."""

    label: Label
    group: str
    span: Span
    lead: Lead
    shown: Kind
    """What it is shown by: video, frames of a scene, or a held photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Pieces side by side from 0."""

    name: str
    fold: int
    placed: tuple[Placed, ...]
    event: Event | None = None
    """None: a safe stream."""

    @property
    def length(self) -> Fraction:
        """Seconds."""
        return self.placed[-1].end

    def observations(self) -> Iterator[Observation]:
        """What the fold is given, in order."""
        yield from self.looks()
        yield Ended(at=self.length)

    def looks(self) -> Iterator[Sampled]:
        """All looks, less those at the end of a piece that no sampler would have taken so shortly
        before the next one.

        A short file is looked at once more at its end, so that it has two looks; a stream goes on,
        and its next look comes. A cut is told with the first frame and with the first burst after
        it, for the labels that each of them judges.
        """
        following = (*(one.start + one.piece.looks[0].at for one in self.placed[1:]), None)
        for one, next_at in zip(self.placed, following, strict=True):
            looks = (
                one.piece.looks
                if next_at is None
                else tuple(_taken(one.piece.looks, next_at - one.start))
            )
            for look in looks:
                first = next(other for other in looks if other.moving is look.moving)
                yield replace(look, at=one.start + look.at, cut=one.cut and look is first)


def _taken(looks: Sequence[Sampled], next_at: Fraction) -> Iterator[Sampled]:
    """Bursts, and frames that are early enough before the next piece; the first one of them always."""
    first = next((look.at for look in looks if not look.moving), None)
    return (
        look for look in looks if look.moving or look.at == first or next_at - look.at >= SOONEST
    )


def assemble(footage: Footage, seed: int = 0) -> tuple[Stream, ...]:
    """All safe and all staged streams of the footage; every stream is of one fold, and so is every
    group."""
    folds = fold_of(footage, seed)
    random = Random(seed)
    safe = _safe(footage.safe, folds, random)
    return (*safe, *_staged(footage, folds, random))


def fold_of(footage: Footage, seed: int = 0) -> dict[str, int]:
    """Which fold a group is of.

    Groups of one label or kind are dealt out in turns, so that every fold has some of each.
    """
    random = Random(seed)
    dealt: dict[str, int] = {}
    for groups in _dealing(footage):
        new = [group for group in groups if group not in dealt]
        random.shuffle(new)
        held = [sum(dealt.get(group) == fold for group in groups) for fold in range(FOLDS)]
        for group in new:
            fold = min(range(FOLDS), key=lambda index: (held[index], index))
            dealt[group] = fold
            held[fold] += 1
    return dealt


def _dealing(footage: Footage) -> Iterator[list[str]]:
    """Groups of each label, then those of each kind of safe footage; in a stable order, once each."""
    for label in sorted({take.label for take in footage.takes}):
        yield sorted({take.group for take in footage.takes if take.label == label})
    for kind in Kind:
        yield sorted({piece.group for piece in footage.safe if piece.kind is kind})


def _safe(pieces: Sequence[Piece], folds: Mapping[str, int], random: Random) -> Iterator[Stream]:
    together: dict[tuple[int, Kind], dict[str, list[Piece]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for piece in pieces:
        together[folds[piece.group], piece.kind][piece.group].append(piece)
    for (fold, kind), groups in sorted(together.items()):
        order = sorted(groups)
        random.shuffle(order)
        shown = [piece for group in order for piece in groups[group]]
        if kind is not Kind.PHOTOGRAPHS:
            yield Stream(name=f"safe/{kind}/{fold}", fold=fold, placed=tuple(_placed(shown)))
            continue
        for piece in shown:  # apart, so that an incident on one never hides another's
            yield Stream(
                name=f"safe/{kind}/{piece.name}", fold=fold, placed=tuple(_placed([piece]))
            )


def _placed(pieces: Iterable[Piece]) -> Iterator[Placed]:
    """Side by side.

    What one camera shows goes on without a cut; every clip of a game is a scene of its own.
    """
    at = Fraction(0)
    group: str | None = None
    for piece in pieces:
        cut = piece.group != group or piece.kind is Kind.GAMES
        yield Placed(piece=piece, start=at, cut=cut)
        at, group = at + piece.length, piece.group


def _staged(footage: Footage, folds: Mapping[str, int], random: Random) -> Iterator[Stream]:
    around: dict[tuple[int, Kind], list[Piece]] = defaultdict(list)
    for piece in footage.safe:
        around[folds[piece.group], piece.kind].append(piece)
    for label in sorted({take.label for take in footage.takes}):
        takes = [take for take in footage.takes if take.label == label]
        drawn = [
            take
            for kind in Kind
            for take in _drawn([take for take in takes if take.kind is kind], random)
        ]
        for number, take in enumerate(drawn):
            fold = folds[take.group]
            for lead in Lead:
                before = (
                    take.before
                    if lead is Lead.OWN
                    else _about(around[fold, Kind(lead)], take.group, LED_BY, random)
                )
                after = _about(
                    [*around[fold, Kind.ORDINARY], *around[fold, Kind.GAMES]],
                    take.group,
                    FOLLOWED_BY,
                    random,
                )
                if before and after:
                    yield _stream(f"{label}/{number}/{lead}", fold, take, lead, before, after)


def _drawn(takes: Sequence[Take], random: Random) -> list[Take]:
    """At most so many of each group and of all; groups take turns."""
    groups: dict[str, list[Take]] = defaultdict(list)
    for take in takes:
        groups[take.group].append(take)
    for held in groups.values():
        random.shuffle(held)
    order = sorted(groups)
    random.shuffle(order)
    turns = [
        groups[group][turn]
        for turn in range(PER_GROUP)
        for group in order
        if turn < len(groups[group])
    ]
    return turns[:PER_KIND]


def _about(
    pool: Sequence[Piece], group: str, seconds: Fraction, random: Random
) -> tuple[Piece, ...]:
    """Pieces of other groups, at random, until they are so long."""
    others = [piece for piece in pool if piece.group != group]
    random.shuffle(others)
    chosen: list[Piece] = []
    for piece in others:
        chosen.append(piece)
        if sum(one.length for one in chosen) >= seconds:
            break
    return tuple(chosen)


def _stream(
    name: str, fold: int, take: Take, lead: Lead, before: Sequence[Piece], after: Sequence[Piece]
) -> Stream:
    placed = list(_placed([*before, *take.shows, *after]))
    first, following = len(before), len(before) + len(take.shows)
    placed[first] = replace(placed[first], cut=lead.cut)
    placed[following] = replace(placed[following], cut=True)
    onset = placed[first].start
    event = Event(
        label=take.label,
        group=take.group,
        span=Span(start=onset, end=onset + take.length),
        lead=lead,
        shown=take.kind,
    )
    return Stream(name=name, fold=fold, placed=tuple(placed), event=event)
