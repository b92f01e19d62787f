"""The footage that streams are assembled from: safe pieces, and clips of events.

Moving footage keeps its own times. Still pictures have none: ``MIN_SCENE_STILLS`` or more of one
group are treated as frames of its scenes in order, one every ``FRAME_STEP``; any other is shown for
``STILL_DURATION`` seconds, as in a stream that shows a photograph.
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

from scanner.evaluate.comparisons import is_armed
from scanner.evaluate.rows import LabelledRow
from scanner.evaluate.streams.recordings import Recording
from scanner.risk.observation import Sampled
from scanner.types import Label

__all__ = [
    "FRAME_STEP",
    "MAX_EVENT",
    "STILL_DURATION",
    "EventClip",
    "FootageKind",
    "FootagePool",
    "Piece",
    "build_pool",
    "is_ordinary_video",
]

TICK: Final = 1000
"""Ticks per second to which times are rounded, so that streams with many time bases have one and
sums stay small."""
FRAME_STEP: Final = Fraction(1, 2)
"""Seconds from one frame of a scene to the next: the sampler's smallest step. The true step is not
known."""
STILL_DURATION: Final = Fraction(8)
STILL_SAMPLE_STEP: Final = Fraction(2)
"""Seconds between samples of a photograph by default: the sampler's default ``max_gap``."""
MAX_EVENT: Final = Fraction(10)
"""Seconds of one event; a longer one is split."""
MIN_RUN: Final = Fraction(1)
"""Seconds of frames; a shorter run of one scene cannot be flagged."""
MAX_BREAK: Final = Fraction(4)
"""Seconds without its label that do not end an event: a gun hidden behind a body is still
present."""
MIN_SCENE_STILLS: Final = 12
"""Number of stills of one group from which on they are frames of scenes."""
MAX_NUMBER_STEP: Final = 30
"""Frames whose numbers differ by more belong to different scenes."""


class FootageKind(StrEnum):
    """The kind of footage."""

    ORDINARY = "ordinary"
    """Video by cameras: everyday scenes and surveillance."""
    GAMES = "games"
    """Rendered games and screens."""
    FRAMES = "frames"
    """Single frames of a scene, at a fixed step."""
    CHANGED = "changed"
    """Ordinary video after a perturbation, such as night. It is for safe levels only: its hours are
    those of the video that it was made from."""
    PHOTOGRAPHS = "photographs"
    """Photographs shown for some seconds. Each counts as one, because how often a stream shows one
    is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Scored footage of one source without gaps."""

    name: str
    group: str
    kind: FootageKind
    length: Fraction
    samples: tuple[Sampled, ...]
    """At least one, with times from the piece's start."""
    origin: str = ""
    """The collection that its source belongs to; the group if none is known."""
    unsafe_for: frozenset[Label] = frozenset()
    """Labels for which it is no safe footage, although it is not labelled with them."""

    def __post_init__(self) -> None:
        if not self.samples or not 0 <= self.samples[0].at <= self.samples[-1].at <= self.length:
            raise ValueError(f"piece {self.name}: samples must lie within its {self.length} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventClip:
    """An event that can be placed in a stream."""

    label: Label
    group: str
    pieces: tuple[Piece, ...]
    """Consecutive pieces; the label is present in all of them."""
    before: tuple[Piece, ...] = ()
    """Footage of the same camera before the event, if known: an onset without a cut."""

    @property
    def length(self) -> Fraction:
        """Seconds from onset to end."""
        return sum((piece.length for piece in self.pieces), Fraction(0))

    @property
    def kind(self) -> FootageKind:
        """The kind of footage that shows it."""
        return self.pieces[0].kind

    @property
    def origin(self) -> str:
        """The collection that shows it."""
        return self.pieces[0].origin


@dataclass(frozen=True, slots=True, kw_only=True)
class FootagePool:
    """The footage that streams are assembled from."""

    safe: tuple[Piece, ...]
    event_clips: tuple[EventClip, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The original streams: one camera, one video or one scene each."""
        return tuple(
            sorted({piece.group for piece in self.safe} | {clip.group for clip in self.event_clips})
        )


FIGHT: Final = Label("fight")
GUN: Final = Label("gun")
LABEL_OF: Final[Mapping[tuple[str, str], Label]] = {
    ("violence_clip", "1"): FIGHT,
    ("weapon", "1"): GUN,
    ("weapon_clip", "gun"): GUN,
    ("weapon_clip", "knife"): Label("blade_in_hand"),
    ("fire", "fire"): Label("fire"),
    ("fire_clip", "fire"): Label("fire"),
    ("fire", "smoke"): Label("smoke"),
}
"""The label that a row of this task and label shows."""
KIND_OF_TASK: Final[Mapping[str, FootageKind]] = {
    "benign_video": FootageKind.ORDINARY,
    "violence_clip": FootageKind.ORDINARY,
    "weapon_clip": FootageKind.ORDINARY,
    "fire_clip": FootageKind.ORDINARY,
    "game_video": FootageKind.GAMES,
}


def build_pool(
    recordings: Iterable[Recording], sample_step: Fraction = STILL_SAMPLE_STEP
) -> FootagePool:
    """Return the safe pieces and event clips of all recordings; photographs are sampled every
    ``sample_step`` seconds."""
    by_group: dict[str, list[Recording]] = defaultdict(list)
    safe: list[Piece] = []
    for recording in recordings:
        if not recording.change:
            by_group[recording.row.source].append(recording)
        elif is_ordinary_video(recording.row) and not recording.still:
            safe.append(_video_piece(recording.row.source, recording))
    event_clips: list[EventClip] = []
    for group, members in sorted(by_group.items()):
        ordered = sorted(members, key=lambda one: _natural_order(one.row.path.name))
        for part in (_moving_pool(group, ordered), *_still_pools(group, ordered, sample_step)):
            safe += part.safe
            event_clips += part.event_clips
    return FootagePool(safe=tuple(safe), event_clips=tuple(event_clips))


def is_ordinary_video(row: LabelledRow) -> bool:
    """Return whether the row is video by a camera without an event."""
    return KIND_OF_TASK.get(row.task) is FootageKind.ORDINARY and _label_of(row) is None


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts frame 10 after frame 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _moving_pool(group: str, members: Sequence[Recording]) -> FootagePool:
    """Return the safe pieces and events of videos; clips of one camera are joined until they last
    ``MAX_EVENT``."""
    pieces = [(_label_of(one.row), _video_piece(group, one)) for one in members if not one.still]
    safe = tuple(piece for label, piece in pieces if label is None)
    labelled = [(label, piece) for label, piece in pieces if label is not None]
    event_clips = [
        EventClip(label=label, group=group, pieces=joined, before=_last_pieces(safe, 2 * MAX_EVENT))
        for label, clips in groupby(labelled, key=lambda one: one[0])
        for joined in _join_clips([piece for _, piece in clips])
    ]
    return FootagePool(safe=safe, event_clips=tuple(event_clips))


def _join_clips(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, ...]]:
    joined: list[Piece] = []
    for piece in pieces:
        joined.append(piece)
        if sum(one.length for one in joined) >= MAX_EVENT:
            yield tuple(joined)
            joined = []
    if joined:
        yield tuple(joined)


def _last_pieces(pieces: Sequence[Piece], seconds: Fraction) -> tuple[Piece, ...]:
    """Return the last pieces that together last ``seconds``."""
    kept: list[Piece] = []
    for piece in reversed(pieces):
        if sum(one.length for one in kept) >= seconds:
            break
        kept.insert(0, piece)
    return tuple(kept)


def _still_pools(
    group: str, members: Sequence[Recording], sample_step: Fraction
) -> Iterator[FootagePool]:
    stills = [one for one in members if one.still]
    if len(stills) < MIN_SCENE_STILLS:
        yield from (_photograph_pool(group, one, sample_step) for one in stills)
        return
    for number, scene in enumerate(_split_scenes(stills)):
        yield _scene_pool(f"{group}/{number}", group, scene)


def _photograph_pool(group: str, one: Recording, sample_step: Fraction) -> FootagePool:
    label = _label_of(one.row)
    piece = _still_piece(
        one.row.path.name,
        group,
        FootageKind.PHOTOGRAPHS,
        [one] * int(STILL_DURATION / sample_step),
        sample_step,
    )
    if label is not None:
        return FootagePool(
            safe=(), event_clips=(EventClip(label=label, group=group, pieces=(piece,)),)
        )
    unsafe_for = frozenset({GUN}) if is_armed(one.row) else frozenset()
    return FootagePool(safe=(replace(piece, unsafe_for=unsafe_for),), event_clips=())


def _split_scenes(stills: Iterable[Recording]) -> Iterator[list[Recording]]:
    """Yield runs of frames with one name and consecutive numbers."""
    scene: list[Recording] = []
    for one in stills:
        if scene and not _is_same_scene(scene[-1], one):
            yield scene
            scene = []
        scene.append(one)
    if scene:
        yield scene


def _is_same_scene(before: Recording, after: Recording) -> bool:
    (stem, number), (other, later) = (_frame_number(one.row.path.name) for one in (before, after))
    return stem == other and later - number <= MAX_NUMBER_STEP


def _frame_number(name: str) -> tuple[str, int]:
    """Return the name up to the frame's number, and the number; a hash that an annotation tool
    appended is ignored."""
    found = re.match(r"(.*?)(\d+)(?:_jpg_\w+)?\.\w+$", name)
    return (name, 0) if found is None else (found[1], int(found[2]))


def _scene_pool(name: str, group: str, scene: Sequence[Recording]) -> FootagePool:
    """Return one scene's events by label, and its safe pieces."""
    labels = [_label_of(one.row) for one in scene]
    runs = {
        label: _label_runs(labels, label)
        for label in sorted({label for label in labels if label is not None})
    }
    event_clips = [
        clip
        for label, found in runs.items()
        for clip in _event_clips(name, group, scene, label, found)
    ]
    during = {
        index for found in runs.values() for start, end in found for index in range(start, end)
    }
    safe = [
        _still_piece(f"{name}@{start}", group, FootageKind.FRAMES, scene[start:end], FRAME_STEP)
        for start, end in _true_spans(
            [label is None and index not in during for index, label in enumerate(labels)]
        )
        if (end - start) * FRAME_STEP >= MIN_RUN
    ]
    return FootagePool(safe=tuple(safe), event_clips=tuple(event_clips))


def _label_runs(labels: Sequence[Label | None], label: Label) -> list[tuple[int, int]]:
    """Return the frames (first, past the last) of each run of the label, with short breaks
    bridged."""
    runs: list[tuple[int, int]] = []
    for start, end in _true_spans([one == label for one in labels]):
        if runs and (start - runs[-1][1]) * FRAME_STEP <= MAX_BREAK:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return [(start, end) for start, end in runs if (end - start) * FRAME_STEP >= MIN_RUN]


def _true_spans(flags: Sequence[bool]) -> Iterator[tuple[int, int]]:
    at = 0
    for flag, same in groupby(flags):
        end = at + len(list(same))
        if flag:
            yield at, end
        at = end


def _event_clips(
    name: str, group: str, scene: Sequence[Recording], label: Label, runs: Sequence[tuple[int, int]]
) -> Iterator[EventClip]:
    """Yield the events of one label; of a long event that is split, only the first part has an
    onset."""
    longest = int(MAX_EVENT / FRAME_STEP)
    over = 0
    for start, end in runs:
        lead = scene[max(over, start - 2 * longest) : start]
        before = (
            (_still_piece(f"{name}@{start}-", group, FootageKind.FRAMES, lead, FRAME_STEP),)
            if len(lead) * FRAME_STEP >= MIN_RUN
            else ()
        )
        for first in range(start, end, longest):
            frames = scene[first : min(first + longest, end)]
            if len(frames) * FRAME_STEP >= MIN_RUN:
                piece = _still_piece(
                    f"{name}@{first}", group, FootageKind.FRAMES, frames, FRAME_STEP
                )
                yield EventClip(
                    label=label,
                    group=group,
                    pieces=(piece,),
                    before=before if first == start else (),
                )
        over = end


def _label_of(row: LabelledRow) -> Label | None:
    return LABEL_OF.get((row.task, row.label))


def _video_piece(group: str, one: Recording) -> Piece:
    samples = tuple(replace(sample, at=_round_time(sample.at)) for sample in one.samples)
    return Piece(
        name=one.row.path.name,
        group=group,
        kind=FootageKind.CHANGED if one.change else KIND_OF_TASK[one.row.task],
        length=max(_round_time(one.length), samples[-1].at),
        samples=samples,
        origin=one.row.origin or group,
    )


def _still_piece(
    name: str, group: str, kind: FootageKind, stills: Sequence[Recording], every: Fraction
) -> Piece:
    samples = tuple(replace(one.samples[0], at=index * every) for index, one in enumerate(stills))
    return Piece(
        name=name,
        group=group,
        kind=kind,
        length=len(stills) * every,
        samples=samples,
        origin=stills[0].row.origin or group,
    )


def _round_time(seconds: Fraction) -> Fraction:
    return Fraction(round(seconds * TICK), TICK)
