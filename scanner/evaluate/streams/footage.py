"""Footage to put streams together from: pieces that show nothing of what is looked for, and takes
of events.

Moving footage keeps its own times. Still pictures have none: three or more of one scene are taken
as its frames in order, one each ``RHYTHM``, and any other is held on the screen for ``HELD``
seconds, as a stream does that shows a photograph.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from typing import Final

from scanner.evaluate.rows import Row
from scanner.evaluate.streams.recordings import Recording
from scanner.evaluate.tables import is_armed
from scanner.risk.observation import Sampled
from scanner.types import Label

__all__ = ["HELD", "LONGEST", "RHYTHM", "Footage", "Kind", "Piece", "Take", "collect"]

TICK: Final = 1000
"""Times are rounded to so many ticks a second: streams of many time bases then have one, and sums
stay small."""
RHYTHM: Final = Fraction(1, 2)
"""Seconds from one frame of a scene to the next: as densely as the sampler ever looks.

What it really was is not known.
"""
HELD: Final = Fraction(8)
LOOKED: Final = Fraction(2)
"""A held picture is looked at so often, where nothing else is said: the sampler's default
``max_gap``."""
LONGEST: Final = Fraction(10)
"""Seconds of one event; a longer one is cut into several."""
SHORTEST: Final = Fraction(1)
"""Seconds of frames; a shorter run of one scene is nothing that anybody could flag."""
BRIDGED: Final = Fraction(4)
"""An event goes on over so many seconds without its label: a gun behind a body is still there."""
SCENE: Final = 12
"""So many stills of one group or more are frames of scenes."""
STEP: Final = 30
"""Frames whose numbers lie further apart are of different scenes."""


class Kind(StrEnum):
    """What footage is of."""

    ORDINARY = "ordinary"
    """Video by cameras: everyday scenes and surveillance."""
    GAMES = "games"
    """Rendered games and screens."""
    FRAMES = "frames"
    """Single frames of a scene, at a stated rhythm."""
    PHOTOGRAPHS = "photographs"
    """Held pictures: each counts as one, because nobody knows how often a stream shows one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Scored footage of one source without a hole."""

    name: str
    group: str
    kind: Kind
    length: Fraction
    looks: tuple[Sampled, ...]
    """At least one, from the piece's start."""
    unsafe: frozenset[Label] = frozenset()
    """Labels for which it is no evidence, though nobody says that it shows them."""

    def __post_init__(self) -> None:
        if not self.looks or not 0 <= self.looks[0].at <= self.looks[-1].at <= self.length:
            raise ValueError(f"piece {self.name}: wants looks within its {self.length} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """An event that can be put into a stream."""

    label: Label
    group: str
    shows: tuple[Piece, ...]
    """Side by side, the label is there all the time."""
    before: tuple[Piece, ...] = ()
    """What the same camera showed before it, where that is known: an onset without a cut."""

    @property
    def length(self) -> Fraction:
        """Seconds from onset to end."""
        return sum((piece.length for piece in self.shows), Fraction(0))

    @property
    def kind(self) -> Kind:
        """What it is shown by."""
        return self.shows[0].kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """All that streams are put together from."""

    safe: tuple[Piece, ...]
    takes: tuple[Take, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """Original streams: one camera, one video, one scene."""
        return tuple(
            sorted({piece.group for piece in self.safe} | {take.group for take in self.takes})
        )


FIGHT: Final = Label("fight")
GUN: Final = Label("gun")
SHOWN: Final[Mapping[tuple[str, str], Label]] = {
    ("violence_clip", "1"): FIGHT,
    ("weapon", "1"): GUN,
    ("fire", "fire"): Label("fire"),
    ("fire", "smoke"): Label("smoke"),
}
"""What a row of this task and label shows."""
MOVING: Final[Mapping[str, Kind]] = {
    "benign_video": Kind.ORDINARY,
    "violence_clip": Kind.ORDINARY,
    "game_video": Kind.GAMES,
}


def collect(recordings: Iterable[Recording], looked: Fraction = LOOKED) -> Footage:
    """The pieces and takes of all recordings; a held picture is looked at every ``looked`` seconds."""
    by_group: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        by_group[recording.row.source].append(recording)
    safe: list[Piece] = []
    takes: list[Take] = []
    for group, members in sorted(by_group.items()):
        ordered = sorted(members, key=lambda one: _natural(one.row.path.name))
        for part in (_moving(group, ordered), *_still(group, ordered, looked)):
            safe += part.safe
            takes += part.takes
    return Footage(safe=tuple(safe), takes=tuple(takes))


def _natural(name: str) -> list[tuple[int, str]]:
    """An order in which frame 10 comes after frame 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _moving(group: str, members: Sequence[Recording]) -> Footage:
    """Video: what is safe of it, and its events, clips of one camera being joined until they are
    ``LONGEST``."""
    pieces = [(_shown(one.row), _piece(group, one)) for one in members if not one.still]
    safe = tuple(piece for label, piece in pieces if label is None)
    shown = [(label, piece) for label, piece in pieces if label is not None]
    takes = [
        Take(label=label, group=group, shows=joined, before=_last(safe, 2 * LONGEST))
        for label, clips in groupby(shown, key=lambda one: one[0])
        for joined in _joined([piece for _, piece in clips])
    ]
    return Footage(safe=safe, takes=tuple(takes))


def _joined(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, ...]]:
    held: list[Piece] = []
    for piece in pieces:
        held.append(piece)
        if sum(one.length for one in held) >= LONGEST:
            yield tuple(held)
            held = []
    if held:
        yield tuple(held)


def _last(pieces: Sequence[Piece], seconds: Fraction) -> tuple[Piece, ...]:
    """The last pieces, until they are so long."""
    kept: list[Piece] = []
    for piece in reversed(pieces):
        if sum(one.length for one in kept) >= seconds:
            break
        kept.insert(0, piece)
    return tuple(kept)


def _still(group: str, members: Sequence[Recording], looked: Fraction) -> Iterator[Footage]:
    stills = [one for one in members if one.still]
    if len(stills) < SCENE:
        yield from (_held(group, one, looked) for one in stills)
        return
    for number, scene in enumerate(_scenes(stills)):
        yield _frames(f"{group}/{number}", group, scene)


def _held(group: str, one: Recording, looked: Fraction) -> Footage:
    label = _shown(one.row)
    piece = _of_stills(
        one.row.path.name, group, Kind.PHOTOGRAPHS, [one] * int(HELD / looked), looked
    )
    if label is not None:
        return Footage(safe=(), takes=(Take(label=label, group=group, shows=(piece,)),))
    unsafe = frozenset({GUN}) if is_armed(one.row) else frozenset()
    return Footage(safe=(replace(piece, unsafe=unsafe),), takes=())


def _scenes(stills: Iterable[Recording]) -> Iterator[list[Recording]]:
    """Runs of frames of one name whose numbers go on."""
    scene: list[Recording] = []
    for one in stills:
        if scene and not _goes_on(scene[-1], one):
            yield scene
            scene = []
        scene.append(one)
    if scene:
        yield scene


def _goes_on(before: Recording, after: Recording) -> bool:
    (stem, number), (other, later) = (_numbered(one.row.path.name) for one in (before, after))
    return stem == other and later - number <= STEP


def _numbered(name: str) -> tuple[str, int]:
    """The name up to the number of its frame, and that number; a hash that an annotator's tool
    added is no part of it."""
    found = re.match(r"(.*?)(\d+)(?:_jpg_\w+)?\.\w+$", name)
    return (name, 0) if found is None else (found[1], int(found[2]))


def _frames(name: str, group: str, scene: Sequence[Recording]) -> Footage:
    """One scene: its events by label, and what is safe of it."""
    shown = [_shown(one.row) for one in scene]
    runs = {
        label: _runs(shown, label)
        for label in sorted({label for label in shown if label is not None})
    }
    takes = [
        take for label, found in runs.items() for take in _takes(name, group, scene, label, found)
    ]
    during = {
        index for found in runs.values() for start, end in found for index in range(start, end)
    }
    safe = [
        _of_stills(f"{name}@{start}", group, Kind.FRAMES, scene[start:end], RHYTHM)
        for start, end in _stretches(
            [label is None and index not in during for index, label in enumerate(shown)]
        )
        if (end - start) * RHYTHM >= SHORTEST
    ]
    return Footage(safe=tuple(safe), takes=tuple(takes))


def _runs(shown: Sequence[Label | None], label: Label) -> list[tuple[int, int]]:
    """First and past-the-last frame of each time that the label is there, short breaks bridged."""
    runs: list[tuple[int, int]] = []
    for start, end in _stretches([one == label for one in shown]):
        if runs and (start - runs[-1][1]) * RHYTHM <= BRIDGED:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return [(start, end) for start, end in runs if (end - start) * RHYTHM >= SHORTEST]


def _stretches(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    at = 0
    for flag, same in groupby(flags):
        end = at + len(list(same))
        if flag:
            yield at, end
        at = end


def _takes(
    name: str, group: str, scene: Sequence[Recording], label: Label, runs: Sequence[tuple[int, int]]
) -> Iterator[Take]:
    """The events of one label; only the first stretch of a long one has an onset of its own."""
    longest = int(LONGEST / RHYTHM)
    over = 0
    for start, end in runs:
        lead = scene[max(over, start - 2 * longest) : start]
        before = (
            (_of_stills(f"{name}@{start}-", group, Kind.FRAMES, lead, RHYTHM),)
            if len(lead) * RHYTHM >= SHORTEST
            else ()
        )
        for first in range(start, end, longest):
            frames = scene[first : min(first + longest, end)]
            if len(frames) * RHYTHM >= SHORTEST:
                piece = _of_stills(f"{name}@{first}", group, Kind.FRAMES, frames, RHYTHM)
                yield Take(
                    label=label,
                    group=group,
                    shows=(piece,),
                    before=before if first == start else (),
                )
        over = end


def _shown(row: Row) -> Label | None:
    return SHOWN.get((row.task, row.label))


def _piece(group: str, one: Recording) -> Piece:
    looks = tuple(replace(look, at=_tick(look.at)) for look in one.looks)
    return Piece(
        name=one.row.path.name,
        group=group,
        kind=MOVING[one.row.task],
        length=max(_tick(one.length), looks[-1].at),
        looks=looks,
    )


def _of_stills(
    name: str, group: str, kind: Kind, stills: Sequence[Recording], every: Fraction
) -> Piece:
    looks = tuple(replace(one.looks[0], at=index * every) for index, one in enumerate(stills))
    return Piece(name=name, group=group, kind=kind, length=len(stills) * every, looks=looks)


def _tick(seconds: Fraction) -> Fraction:
    return Fraction(round(seconds * TICK), TICK)
