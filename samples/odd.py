"""Encode videos that are joined or changed after the muxer: jumps, cuts, edit lists, rotation,
strange tracks and tags."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from samples.drawing import draw_card
from samples.encoded import SUFFIXES, EncodedSample, derive_facts, encode_sample
from samples.encoding import VideoRecipe, encode_file, encode_tracks
from samples.facts import DrawnEvent, SampleFacts
from samples.mp4_boxes import edit, insert_item, split_at, write_avif
from samples.other_tracks import add_silence, add_subtitles, encode_silence
from samples.videos import AVI, MKV, MP4, TS, VIDEOS, WEBM, WRAP, even_ticks

__all__ = ["ODD", "encode_fragments"]

HALF = replace(TS, ticks=TS.ticks[:24])
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
ODD_TEXT = "Zxqvzxqv"
"""Text of a tag as it is written, before it is replaced with bytes that are not UTF-8."""
NOT_UTF_8 = b"\xff\xfe\xe9\xf1\x80abc"


# MPEG-TS, which is made longer by appending to it


def encode_jump(start: int) -> EncodedSample:
    """Encode 24 frames, then 24 whose clock begins at ``start``."""
    later = replace(HALF, ticks=even_ticks(24, 7200, start), first=24)
    pts = tuple(tick % WRAP for tick in HALF.ticks + later.ticks)
    facts = derive_facts(TS, pts=pts, jumps=(24,))
    return EncodedSample(data=encode_file(HALF) + encode_file(later), facts=facts, suffix=".ts")


def encode_resized() -> EncodedSample:
    """Encode a video whose second half has another size and shape; the clock continues."""
    later = replace(HALF, ticks=TS.ticks[24:], first=24, width=240, height=240)
    return EncodedSample(
        data=encode_file(HALF) + encode_file(later), facts=derive_facts(TS), suffix=".ts"
    )


def encode_without_start() -> EncodedSample:
    """Encode a video without its first ten packets, one of them the keyframe."""
    facts = derive_facts(
        TS,
        pts=TS.ticks[10:],
        marks=tuple(range(10, 48)),
        keyframes=(14,),
        hidden=14,
        unseen=("no_keyframe",),
    )
    return EncodedSample(data=encode_file(replace(TS, skip=10)), facts=facts, suffix=".ts")


def encode_still_screen() -> EncodedSample:
    """Encode a still screen with a speck from 2 to 4 s, without a keyframe there."""
    event = DrawnEvent(start=Fraction(2), end=Fraction(4), name="speck")
    recipe = replace(
        TS,
        ticks=even_ticks(75, 7200, 126_000),
        gop=75,
        events=(event,),
        scene=lambda _, names: draw_card(0, events=names),
    )
    return encode_sample(recipe, marks=(0,) * 75)


# MP4, which is changed box by box


def encode_rotated(turn: int) -> EncodedSample:
    """Encode a rotated video with a matrix that turns it upright by ``turn`` degrees clockwise."""
    upright = (320, 180) if turn == 180 else (180, 320)

    def lying(number: int, names: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(draw_card(number, *upright, names), turn // 90))

    facts = derive_facts(MP4, width=upright[0], height=upright[1], rotation=turn)
    return EncodedSample(
        data=edit(
            encode_file(replace(MP4, scene=lying)), b"tkhd", partial(_rotate_header, turn=turn)
        ),
        facts=facts,
        suffix=".mp4",
    )


def _rotate_header(header: bytes, turn: int) -> bytes:
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]
    right, down = {90: (180, 0), 180: (320, 180), 270: (0, 320)}[turn]
    return _set_matrix(header, (cos, sin, -sin, cos, right, down))


def encode_mirrored(across: int, down: int) -> EncodedSample:
    """Encode a mirrored video, with a matrix that mirrors it back: -1 for the sides that are
    exchanged, 1 for the others."""

    def draw_mirrored(number: int, names: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(draw_card(number, events=names)[::down, ::across])

    matrix = (across, 0, 0, down, 320 if across < 0 else 0, 180 if down < 0 else 0)
    data = edit(
        encode_file(replace(MP4, scene=draw_mirrored)),
        b"tkhd",
        lambda header: _set_matrix(header, matrix),
    )
    return EncodedSample(
        data=data, facts=derive_facts(MP4, reflected=(across, down)), suffix=".mp4"
    )


def _set_matrix(header: bytes, matrix: tuple[int, int, int, int, int, int]) -> bytes:
    """Return a track header (version 0) with another matrix.

    Numbers are 16.16, the last column 2.30.
    """
    a, b, c, d, right, down = (number << 16 for number in matrix)
    return header[:40] + struct.pack(">9i", a, b, 0, c, d, 0, right, down, 1 << 30) + header[76:]


def encode_with_edit_list(*entries: tuple[int, int]) -> bytes:
    """Encode an MP4 whose edit list has these entries.

    An entry has the milliseconds shown and the first media tick (-1: nothing is shown).
    """
    body = struct.pack(">II", 0, len(entries)) + b"".join(
        struct.pack(">IiI", length, start, 1 << 16) for length, start in entries
    )
    return edit(encode_file(MP4), b"elst", lambda _: body)


def encode_trimmed() -> EncodedSample:
    """Encode an MP4 that is shown from frame 30 on, which is not a keyframe."""
    shown = slice(30, None)
    facts = derive_facts(
        MP4,
        pts=tuple(t - 30 * 7200 for t in MP4.ticks[shown]),
        marks=tuple(range(30, 48)),
        keyframes=(),
    )
    return EncodedSample(
        data=encode_with_edit_list((18 * 80, 30 * 7200)), facts=facts, suffix=".mp4"
    )


def encode_delayed() -> EncodedSample:
    """Encode an MP4 that is shown after an empty second."""
    return EncodedSample(
        data=encode_with_edit_list((1000, -1), (48 * 80, 0)),
        facts=derive_facts(MP4, pts=tuple(t + 90_000 for t in MP4.ticks)),
        suffix=".mp4",
    )


def encode_fragments(recipe: VideoRecipe = MP4) -> list[bytes]:
    """Return an init segment and, for each GOP, a media segment."""
    return split_at(encode_file(replace(recipe, mux=FRAGMENTED)), b"moof")


def encode_fragment(number: int, recipe: VideoRecipe = MP4) -> EncodedSample:
    """Encode one media segment of a stream whose init segment is separate; its clock continues that
    of the segment before."""
    init, *segments = encode_fragments(recipe)
    part = slice(24 * number, 24 * number + 24)
    shift = recipe.b_frames and 2 * 7200
    facts = derive_facts(
        recipe,
        pts=tuple(t + shift for t in recipe.ticks[part]),
        marks=tuple(range(48)[part]),
        keyframes=(0,),
    )
    return EncodedSample(data=segments[number], init=init, facts=facts, suffix=".m4s")


def encode_fragmented() -> EncodedSample:
    """Encode init segment and fragments in one file."""
    return encode_sample(replace(MP4, mux=FRAGMENTED))


# tags and tracks


def encode_with_bad_title(recipe: VideoRecipe) -> EncodedSample:
    """Encode a video whose title is not UTF-8."""
    good = encode_sample(replace(recipe, metadata={"title": ODD_TEXT, "service_name": ODD_TEXT}))
    assert ODD_TEXT.encode() in good.data
    return replace(good, data=good.data.replace(ODD_TEXT.encode(), NOT_UTF_8))


def encode_many_tracks(count: int) -> bytes:
    """Encode an MP4 with that many small video tracks after the usual one."""
    small = replace(MP4, width=64, height=64, ticks=MP4.ticks[:4], first=900)
    return encode_tracks(MP4, *([small] * (count - 1)))


def encode_some_tracks() -> EncodedSample:
    """Encode four tracks, of which the first and largest is shown."""
    return EncodedSample(data=encode_many_tracks(4), facts=derive_facts(MP4), suffix=".mp4")


def encode_with_item() -> EncodedSample:
    """Encode an MP4 with a picture item before the video, as in AVIF."""
    return EncodedSample(
        data=insert_item(encode_file(MP4), VIDEOS["mp4_av1"]().data),
        facts=derive_facts(MP4),
        suffix=".mp4",
    )


def encode_item_only() -> EncodedSample:
    """Encode an AVIF, a picture item without a video."""
    return EncodedSample(
        data=write_avif(VIDEOS["mp4_av1"]().data),
        facts=SampleFacts(refusal=frozenset({"unsupported"})),
        suffix=".avif",
    )


def encode_too_many_tracks() -> EncodedSample:
    """Encode forty tracks, more than the limit."""
    return EncodedSample(
        data=encode_many_tracks(40),
        facts=SampleFacts(refusal=frozenset({"limit_tracks"})),
        suffix=".mp4",
    )


def encode_with_sound(recipe: VideoRecipe) -> EncodedSample:
    """Encode a video with a track of silence that begins a little earlier."""
    return EncodedSample(
        data=add_silence(recipe), facts=derive_facts(recipe), suffix=SUFFIXES[recipe.container]
    )


def encode_with_subtitles(recipe: VideoRecipe) -> EncodedSample:
    """Encode a video with a track of subtitles."""
    return EncodedSample(
        data=add_subtitles(recipe), facts=derive_facts(recipe), suffix=SUFFIXES[recipe.container]
    )


def encode_wide_packets() -> EncodedSample:
    """Encode packets of 192 bytes, as discs and some recorders write them.

    Four bytes go before each packet of 188.
    """
    whole = encode_file(TS)
    packets = (whole[at : at + 188] for at in range(0, len(whole), 188))
    return EncodedSample(
        data=b"".join(b"\0\0\0\0" + packet for packet in packets),
        facts=derive_facts(TS),
        suffix=".m2ts",
    )


def encode_sound_only(container: str, codec: str, suffix: str) -> EncodedSample:
    """Encode sound without video."""
    return EncodedSample(
        data=encode_silence(container, codec),
        facts=SampleFacts(refusal=frozenset({"no_video"})),
        suffix=suffix,
    )


def encode_without_times() -> EncodedSample:
    """Encode an AVI with B-frames and no presentation times: a reader must restore the order.

    FFmpeg gives each frame the decoding time of the packet that released it, one later than its
    own.
    """
    recipe = replace(AVI, b_frames=2, ticks=even_ticks(46, 1))
    return encode_sample(recipe, pts=even_ticks(46, 1, 1))


ODD: Mapping[str, Callable[[], EncodedSample]] = {
    "ts_jump_forward": partial(encode_jump, 126_000 + 3600 * 90_000),
    "ts_jump_back": partial(encode_jump, 9000),
    "ts_jump_over_wrap": partial(encode_jump, WRAP - 90_000),
    "ts_resized": encode_resized,
    "ts_starts_mid_gop": encode_without_start,
    "ts_still_screen": encode_still_screen,
    "mp4_rotated_90": partial(encode_rotated, 90),
    "mp4_rotated_180": partial(encode_rotated, 180),
    "mp4_rotated_270": partial(encode_rotated, 270),
    "mp4_mirrored": partial(encode_mirrored, -1, 1),
    "mp4_flipped": partial(encode_mirrored, 1, -1),
    "mp4_trimmed": encode_trimmed,
    "mp4_delayed": encode_delayed,
    "fmp4_first": partial(encode_fragment, 0),
    "fmp4_second": partial(encode_fragment, 1),
    "fmp4_second_b_frames": partial(encode_fragment, 1, replace(MP4, b_frames=2)),
    "fmp4_whole": encode_fragmented,
    "mp4_not_utf_8": partial(encode_with_bad_title, MP4),
    "mkv_not_utf_8": partial(encode_with_bad_title, MKV),
    "webm_not_utf_8": partial(encode_with_bad_title, WEBM),
    "ts_not_utf_8": partial(encode_with_bad_title, TS),
    "mp4_some_tracks": encode_some_tracks,
    "mp4_beside_an_item": encode_with_item,
    "avif": encode_item_only,
    "mp4_too_many_tracks": encode_too_many_tracks,
    "mp4_with_sound": partial(encode_with_sound, MP4),
    "ts_with_sound": partial(encode_with_sound, replace(TS, b_frames=2)),
    "mkv_with_sound": partial(encode_with_sound, MKV),
    "mkv_with_subtitles": partial(encode_with_subtitles, MKV),
    "mp4_with_subtitles": partial(encode_with_subtitles, MP4),
    "ts_192_bytes": encode_wide_packets,
    "mp4_mute": partial(encode_sound_only, "mp4", "aac", ".mp4"),
    "ts_mute": partial(encode_sound_only, "mpegts", "aac", ".ts"),
    "webm_mute": partial(encode_sound_only, "webm", "libopus", ".webm"),
    "avi_unstamped": encode_without_times,
}
"""Function that encodes each sample, by name."""
