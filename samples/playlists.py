"""Write HLS playlists: ordinary, with a broken clock, or naming forbidden files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from samples.encoded import derive_facts
from samples.encoding import VideoRecipe, encode_file
from samples.facts import SamplePlaylist, SampleSegment
from samples.odd import encode_fragments
from samples.videos import MP4, TS, WRAP, even_ticks

__all__ = ["CANARY_NUMBER", "PLAYLISTS", "encode_canary"]

FRAMES = 24
"""Frames in each segment."""
STEP = 7200
LENGTH = FRAMES * STEP * TS.time_base
CANARY_NUMBER = 4000
"""Number drawn on the frames of the file that no playlist and no script may reach."""


def encode_canary() -> bytes:
    """Encode a valid segment that must never be decoded."""
    return encode_file(replace(TS, ticks=TS.ticks[:12], first=CANARY_NUMBER))


def segment_recipe(index: int, start: int) -> VideoRecipe:
    """Return the recipe of segment ``index`` of a stream, its clock beginning at ``start``."""
    return replace(TS, ticks=even_ticks(FRAMES, STEP, start), first=index * FRAMES, b_frames=2)


def create_entry(index: int, recipe: VideoRecipe, **more: bool) -> SampleSegment:
    """Return the facts of segment ``index``."""
    return SampleSegment(
        facts=derive_facts(recipe, pts=tuple(tick % WRAP for tick in recipe.ticks)),
        start=index * LENGTH,
        **more,
    )


def write_playlist(
    folder: Path, lines: list[str], head: str = "", tail: str = "#EXT-X-ENDLIST"
) -> Path:
    """Write a playlist of segments of at most two seconds and return its path.

    One without an end is that of an encoder that stopped long ago.
    """
    path = folder / "index.m3u8"
    text = (
        f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n{head}"
        + "\n".join([*lines, tail])
        + "\n"
    )
    path.write_text(text, encoding="utf-8")
    if not tail:
        os.utime(path, (0, 0))
    return path


def list_segment(uri: str, before: str = "") -> str:
    """Return the lines of one segment."""
    return f"{before}#EXTINF:{float(LENGTH):.3f},\n{uri}"


def make_ordinary(
    folder: Path,
    starts: tuple[int, ...],
    broken: frozenset[int] = frozenset(),
    tail: str = "#EXT-X-ENDLIST",
) -> SamplePlaylist:
    """Make TS segments that begin at those ticks; the broken ones are declared a discontinuity."""
    recipes = [segment_recipe(index, start) for index, start in enumerate(starts)]
    for index, recipe in enumerate(recipes):
        (folder / f"{index}.ts").write_bytes(encode_file(recipe))
    lines = [
        list_segment(f"{index}.ts", "#EXT-X-DISCONTINUITY\n" * (index in broken))
        for index in range(len(starts))
    ]
    entries = tuple(
        create_entry(index, recipe, discontinuity=index in broken)
        for index, recipe in enumerate(recipes)
    )
    return SamplePlaylist(
        name=folder.name, path=write_playlist(folder, lines, tail=tail), entries=entries
    )


def make_fragmented(folder: Path) -> SamplePlaylist:
    """Make fMP4 segments with a map."""
    recipe = replace(MP4, ticks=even_ticks(3 * FRAMES, STEP))
    init, *parts = encode_fragments(recipe)
    (folder / "init.mp4").write_bytes(init)
    for index, part in enumerate(parts):
        (folder / f"{index}.m4s").write_bytes(part)
    entries = tuple(
        create_entry(
            i, replace(recipe, ticks=recipe.ticks[i * FRAMES :][:FRAMES], first=i * FRAMES)
        )
        for i in range(3)
    )
    lines = [list_segment(f"{index}.m4s") for index in range(3)]
    return SamplePlaylist(
        name=folder.name,
        path=write_playlist(folder, lines, '#EXT-X-MAP:URI="init.mp4"\n'),
        entries=entries,
    )


def make_gap(folder: Path) -> SamplePlaylist:
    """Make three segments, the middle one declared missing and absent."""
    whole = make_ordinary(folder, even_ticks(3, FRAMES * STEP, 126_000))
    (folder / "1.ts").unlink()
    write_playlist(
        folder, [list_segment("0.ts"), list_segment("1.ts", "#EXT-X-GAP\n"), list_segment("2.ts")]
    )
    entries = tuple(replace(each, missing=index == 1) for index, each in enumerate(whole.entries))
    return replace(whole, entries=entries)


def make_byte_ranges(folder: Path) -> SamplePlaylist:
    """Make three segments in one file."""
    whole = make_ordinary(folder, even_ticks(3, FRAMES * STEP, 126_000))
    parts = [(folder / f"{index}.ts").read_bytes() for index in range(3)]
    (folder / "all.ts").write_bytes(b"".join(parts))
    offsets = (sum(map(len, parts[:index])) for index in range(3))
    write_playlist(
        folder,
        [
            list_segment("all.ts", f"#EXT-X-BYTERANGE:{len(part)}@{offset}\n")
            for part, offset in zip(parts, offsets, strict=True)
        ],
    )
    for index in range(3):
        (folder / f"{index}.ts").unlink()
    return whole


def make_master(folder: Path) -> SamplePlaylist:
    """Make a multivariant playlist of one variant, in a folder below."""
    below = folder / "high"
    below.mkdir()
    media = make_ordinary(below, even_ticks(2, FRAMES * STEP, 126_000))
    path = folder / "index.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180\nhigh/index.m3u8\n",
        encoding="utf-8",
    )
    return replace(media, name=folder.name, path=path)


def make_pointing(folder: Path, uri: str, head: str = "") -> SamplePlaylist:
    """Make a playlist that names a file or address outside its folder."""
    (folder / "0.ts").write_bytes(encode_file(segment_recipe(0, 126_000)))
    outside = folder.parent / "canary.ts"
    outside.write_bytes(encode_canary())
    lines = [list_segment("0.ts"), list_segment(uri.format(canary=outside))]
    return SamplePlaylist(
        name=folder.name, path=write_playlist(folder, lines, head), refusal=frozenset({"refused"})
    )


def make_empty(folder: Path) -> SamplePlaylist:
    """Make a playlist without segments."""
    return SamplePlaylist(
        name=folder.name, path=write_playlist(folder, []), refusal=frozenset({"no_video"})
    )


DAY = 24 * 3600 * 90_000
PLAYLISTS: Mapping[str, Callable[[Path], SamplePlaylist]] = {
    "hls_ts": partial(make_ordinary, starts=even_ticks(3, FRAMES * STEP, 126_000)),
    "hls_live": partial(make_ordinary, starts=even_ticks(3, FRAMES * STEP, 126_000), tail=""),
    "hls_discontinuity": partial(
        make_ordinary, starts=(126_000, DAY, DAY + FRAMES * STEP), broken=frozenset({1})
    ),
    "hls_wrap_between": partial(
        make_ordinary, starts=even_ticks(3, FRAMES * STEP, WRAP - FRAMES * STEP)
    ),
    "hls_wrap_inside": partial(
        make_ordinary, starts=even_ticks(3, FRAMES * STEP, WRAP - FRAMES * STEP - 90_000)
    ),
    "hls_fmp4": make_fragmented,
    "hls_gap": make_gap,
    "hls_byte_ranges": make_byte_ranges,
    "hls_master": make_master,
    "hls_empty": make_empty,
    "hls_other_folder": partial(make_pointing, uri="../canary.ts"),
    "hls_absolute_path": partial(make_pointing, uri="{canary}"),
    "hls_file_url": partial(make_pointing, uri="file://{canary}"),
    "hls_other_host": partial(make_pointing, uri="http://127.0.0.1:9/0.ts"),
    "hls_other_map": partial(make_pointing, uri="0.ts", head='#EXT-X-MAP:URI="../canary.ts"\n'),
    "hls_other_key": partial(
        make_pointing, uri="0.ts", head='#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/hostname"\n'
    ),
    "hls_concat": partial(make_pointing, uri="concat:0.ts|../canary.ts"),
}
"""Function that makes each playlist in an empty folder of its name."""
