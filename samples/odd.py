"""Videos that are put together or changed after the muxer: jumps, cuts, edit lists, rotation,
strange tracks and tags."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from samples.boxes import edit, split_at
from samples.drawing import card
from samples.facts import Event, Facts
from samples.items import avif, with_item
from samples.made import SUFFIXES, Made, known, made
from samples.sound import beside_silence, silence
from samples.subtitles import beside_words
from samples.videos import AVI, MKV, MP4, TS, VIDEOS, WEBM, WRAP, spaced
from samples.writing import Recipe, join, write

__all__ = ["ODD", "fragments"]

HALF = replace(TS, ticks=TS.ticks[:24])
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
ODD_TEXT = "Zxqvzxqv"
"""A tag's text as it is written; then it is replaced by bytes that are not UTF-8."""
NOT_UTF_8 = b"\xff\xfe\xe9\xf1\x80abc"


# MPEG-TS, which is made longer by putting more behind it


def jump(start: int) -> Made:
    """24 frames, then 24 whose clock begins at ``start``."""
    later = replace(HALF, ticks=spaced(24, 7200, start), first=24)
    pts = tuple(tick % WRAP for tick in HALF.ticks + later.ticks)
    facts = known(TS, pts=pts, jumps=(24,))
    return Made(data=write(HALF) + write(later), facts=facts, suffix=".ts")


def resized() -> Made:
    """The second half is smaller and of another shape; the clock goes on."""
    later = replace(HALF, ticks=TS.ticks[24:], first=24, width=240, height=240)
    return Made(data=write(HALF) + write(later), facts=known(TS), suffix=".ts")


def headless() -> Made:
    """The first ten packets are missing, the keyframe among them."""
    facts = known(
        TS,
        pts=TS.ticks[10:],
        marks=tuple(range(10, 48)),
        keyframes=(14,),
        hidden=14,
        unseen=("no_keyframe",),
    )
    return Made(data=write(replace(TS, skip=10)), facts=facts, suffix=".ts")


def still_screen() -> Made:
    """Nothing moves; between 2 and 4 s a speck is there, without a keyframe."""
    event = Event(start=Fraction(2), end=Fraction(4), name="speck")
    recipe = replace(
        TS,
        ticks=spaced(75, 7200, 126_000),
        gop=75,
        events=(event,),
        scene=lambda _, names: card(0, events=names),
    )
    return made(recipe, marks=(0,) * 75)


# MP4, which is changed box by box


def rotated(turn: int) -> Made:
    """Stored lying, with a matrix that turns it upright by ``turn`` degrees clockwise."""
    upright = (320, 180) if turn == 180 else (180, 320)

    def lying(number: int, names: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(card(number, *upright, names), turn // 90))

    facts = known(MP4, width=upright[0], height=upright[1], rotation=turn)
    return Made(
        data=edit(write(replace(MP4, scene=lying)), b"tkhd", partial(_turned, turn=turn)),
        facts=facts,
        suffix=".mp4",
    )


def _turned(header: bytes, turn: int) -> bytes:
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]
    right, down = {90: (180, 0), 180: (320, 180), 270: (0, 320)}[turn]
    return _with_matrix(header, (cos, sin, -sin, cos, right, down))


def reflected(across: int, down: int) -> Made:
    """Stored as in a mirror, with a matrix that mirrors it back: -1 for the sides that are
    exchanged, 1 for the others."""

    def mirrored(number: int, names: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(card(number, events=names)[::down, ::across])

    matrix = (across, 0, 0, down, 320 if across < 0 else 0, 180 if down < 0 else 0)
    data = edit(
        write(replace(MP4, scene=mirrored)), b"tkhd", lambda header: _with_matrix(header, matrix)
    )
    return Made(data=data, facts=known(MP4, reflected=(across, down)), suffix=".mp4")


def _with_matrix(header: bytes, matrix: tuple[int, int, int, int, int, int]) -> bytes:
    """A track header (version 0) with another matrix; numbers are 16.16, the last column 2.30."""
    a, b, c, d, right, down = (number << 16 for number in matrix)
    return header[:40] + struct.pack(">9i", a, b, 0, c, d, 0, right, down, 1 << 30) + header[76:]


def edited(*entries: tuple[int, int]) -> bytes:
    """An MP4 whose edit list has these entries: milliseconds shown, first media tick (-1: nothing
    is shown)."""
    body = struct.pack(">II", 0, len(entries)) + b"".join(
        struct.pack(">IiI", length, start, 1 << 16) for length, start in entries
    )
    return edit(write(MP4), b"elst", lambda _: body)


def trimmed() -> Made:
    """Only from frame 30 on, which is not a keyframe, is anything shown."""
    shown = slice(30, None)
    facts = known(
        MP4,
        pts=tuple(t - 30 * 7200 for t in MP4.ticks[shown]),
        marks=tuple(range(30, 48)),
        keyframes=(),
    )
    return Made(data=edited((18 * 80, 30 * 7200)), facts=facts, suffix=".mp4")


def delayed() -> Made:
    """Nothing for a second, then everything."""
    return Made(
        data=edited((1000, -1), (48 * 80, 0)),
        facts=known(MP4, pts=tuple(t + 90_000 for t in MP4.ticks)),
        suffix=".mp4",
    )


def fragments(recipe: Recipe = MP4) -> list[bytes]:
    """An init segment and, for each GOP, a media segment."""
    return split_at(write(replace(recipe, mux=FRAGMENTED)), b"moof")


def fragment(number: int, recipe: Recipe = MP4) -> Made:
    """One media segment of a stream whose init segment is separate; its clock goes on from the one
    before."""
    init, *segments = fragments(recipe)
    part = slice(24 * number, 24 * number + 24)
    shift = recipe.b_frames and 2 * 7200
    facts = known(
        recipe,
        pts=tuple(t + shift for t in recipe.ticks[part]),
        marks=tuple(range(48)[part]),
        keyframes=(0,),
    )
    return Made(data=segments[number], init=init, facts=facts, suffix=".m4s")


def whole_fragmented() -> Made:
    """Init segment and fragments in one file."""
    return made(replace(MP4, mux=FRAGMENTED))


# tags and tracks


def badly_named(recipe: Recipe) -> Made:
    """Its title is not UTF-8."""
    good = made(replace(recipe, metadata={"title": ODD_TEXT, "service_name": ODD_TEXT}))
    assert ODD_TEXT.encode() in good.data
    return replace(good, data=good.data.replace(ODD_TEXT.encode(), NOT_UTF_8))


def tracks(count: int) -> bytes:
    """An MP4 with that many small video tracks after the usual one."""
    small = replace(MP4, width=64, height=64, ticks=MP4.ticks[:4], first=900)
    return join(MP4, *([small] * (count - 1)))


def some_tracks() -> Made:
    """Four, of which the first and largest counts."""
    return Made(data=tracks(4), facts=known(MP4), suffix=".mp4")


def beside_an_item() -> Made:
    """A movie in whose file a picture stands before it, as in AVIF."""
    return Made(
        data=with_item(write(MP4), VIDEOS["mp4_av1"]().data), facts=known(MP4), suffix=".mp4"
    )


def picture_item() -> Made:
    """Such a picture alone."""
    return Made(
        data=avif(VIDEOS["mp4_av1"]().data),
        facts=Facts(refusal=frozenset({"unsupported"})),
        suffix=".avif",
    )


def too_many_tracks() -> Made:
    """Forty."""
    return Made(data=tracks(40), facts=Facts(refusal=frozenset({"limit_tracks"})), suffix=".mp4")


def with_sound(recipe: Recipe) -> Made:
    """A second track of silence, which begins a little earlier than the picture."""
    return Made(data=beside_silence(recipe), facts=known(recipe), suffix=SUFFIXES[recipe.container])


def with_subtitles(recipe: Recipe) -> Made:
    """A second track, of words."""
    return Made(data=beside_words(recipe), facts=known(recipe), suffix=SUFFIXES[recipe.container])


def wider_packets() -> Made:
    """Packets of 192 bytes, as discs and some recorders write them: four bytes go before each of
    188."""
    whole = write(TS)
    packets = (whole[at : at + 188] for at in range(0, len(whole), 188))
    return Made(
        data=b"".join(b"\0\0\0\0" + packet for packet in packets), facts=known(TS), suffix=".m2ts"
    )


def mute(container: str, codec: str, suffix: str) -> Made:
    """Sound without a picture."""
    return Made(
        data=silence(container, codec), facts=Facts(refusal=frozenset({"no_video"})), suffix=suffix
    )


def unstamped() -> Made:
    """AVI has no presentation times at all; with B-frames a reader must find the order again.

    FFmpeg gives each frame the decoding time of the packet that let it out, one later than its own.
    """
    recipe = replace(AVI, b_frames=2, ticks=spaced(46, 1))
    return made(recipe, pts=spaced(46, 1, 1))


ODD: Mapping[str, Callable[[], Made]] = {
    "ts_jump_forward": partial(jump, 126_000 + 3600 * 90_000),
    "ts_jump_back": partial(jump, 9000),
    "ts_jump_over_wrap": partial(jump, WRAP - 90_000),
    "ts_resized": resized,
    "ts_starts_mid_gop": headless,
    "ts_still_screen": still_screen,
    "mp4_rotated_90": partial(rotated, 90),
    "mp4_rotated_180": partial(rotated, 180),
    "mp4_rotated_270": partial(rotated, 270),
    "mp4_mirrored": partial(reflected, -1, 1),
    "mp4_flipped": partial(reflected, 1, -1),
    "mp4_trimmed": trimmed,
    "mp4_delayed": delayed,
    "fmp4_first": partial(fragment, 0),
    "fmp4_second": partial(fragment, 1),
    "fmp4_second_b_frames": partial(fragment, 1, replace(MP4, b_frames=2)),
    "fmp4_whole": whole_fragmented,
    "mp4_not_utf_8": partial(badly_named, MP4),
    "mkv_not_utf_8": partial(badly_named, MKV),
    "webm_not_utf_8": partial(badly_named, WEBM),
    "ts_not_utf_8": partial(badly_named, TS),
    "mp4_some_tracks": some_tracks,
    "mp4_beside_an_item": beside_an_item,
    "avif": picture_item,
    "mp4_too_many_tracks": too_many_tracks,
    "mp4_with_sound": partial(with_sound, MP4),
    "ts_with_sound": partial(with_sound, replace(TS, b_frames=2)),
    "mkv_with_sound": partial(with_sound, MKV),
    "mkv_with_subtitles": partial(with_subtitles, MKV),
    "mp4_with_subtitles": partial(with_subtitles, MP4),
    "ts_192_bytes": wider_packets,
    "mp4_mute": partial(mute, "mp4", "aac", ".mp4"),
    "ts_mute": partial(mute, "mpegts", "aac", ".ts"),
    "webm_mute": partial(mute, "webm", "libopus", ".webm"),
    "avi_unstamped": unstamped,
}
"""How to make each, by name."""
