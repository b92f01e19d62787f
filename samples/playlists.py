"""HLS playlists: ordinary ones, those with a broken clock, and those that name what they have no
right to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from samples.facts import Entry, Playlist
from samples.made import known
from samples.odd import fragments
from samples.videos import MP4, TS, WRAP, spaced
from samples.writing import Recipe, write

__all__ = ["CANARY_NUMBER", "PLAYLISTS", "canary"]

FRAMES = 24
"""In each segment."""
STEP = 7200
LENGTH = FRAMES * STEP * TS.time_base
CANARY_NUMBER = 4000
"""Drawn on the frames of the file that no playlist and no script may reach."""


def canary() -> bytes:
    """A good segment that must never be seen."""
    return write(replace(TS, ticks=TS.ticks[:12], first=CANARY_NUMBER))


def segment(index: int, start: int) -> Recipe:
    """Segment ``index`` of a stream, its clock beginning at ``start``."""
    return replace(TS, ticks=spaced(FRAMES, STEP, start), first=index * FRAMES, b_frames=2)


def entry(index: int, recipe: Recipe, **more: bool) -> Entry:
    """What is known of it."""
    return Entry(
        facts=known(recipe, pts=tuple(tick % WRAP for tick in recipe.ticks)),
        start=index * LENGTH,
        **more,
    )


def save(folder: Path, lines: list[str], head: str = "", tail: str = "#EXT-X-ENDLIST") -> Path:
    """The playlist, two seconds for each segment at most."""
    path = folder / "index.m3u8"
    text = (
        f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n{head}"
        + "\n".join([*lines, tail])
        + "\n"
    )
    path.write_text(text, encoding="utf-8")
    return path


def listed(uri: str, before: str = "") -> str:
    """The lines of one segment."""
    return f"{before}#EXTINF:{float(LENGTH):.3f},\n{uri}"


def ordinary(
    folder: Path,
    starts: tuple[int, ...],
    broken: frozenset[int] = frozenset(),
    tail: str = "#EXT-X-ENDLIST",
) -> Playlist:
    """TS segments that begin at those ticks; a discontinuity is declared before the broken ones."""
    recipes = [segment(index, start) for index, start in enumerate(starts)]
    for index, recipe in enumerate(recipes):
        (folder / f"{index}.ts").write_bytes(write(recipe))
    lines = [
        listed(f"{index}.ts", "#EXT-X-DISCONTINUITY\n" * (index in broken))
        for index in range(len(starts))
    ]
    entries = tuple(
        entry(index, recipe, discontinuity=index in broken) for index, recipe in enumerate(recipes)
    )
    return Playlist(name=folder.name, path=save(folder, lines, tail=tail), entries=entries)


def fragmented(folder: Path) -> Playlist:
    """fMP4 with a map."""
    recipe = replace(MP4, ticks=spaced(3 * FRAMES, STEP))
    init, *parts = fragments(recipe)
    (folder / "init.mp4").write_bytes(init)
    for index, part in enumerate(parts):
        (folder / f"{index}.m4s").write_bytes(part)
    entries = tuple(
        entry(i, replace(recipe, ticks=recipe.ticks[i * FRAMES :][:FRAMES], first=i * FRAMES))
        for i in range(3)
    )
    lines = [listed(f"{index}.m4s") for index in range(3)]
    return Playlist(
        name=folder.name, path=save(folder, lines, '#EXT-X-MAP:URI="init.mp4"\n'), entries=entries
    )


def gap(folder: Path) -> Playlist:
    """The middle one of three is declared missing, and is."""
    whole = ordinary(folder, spaced(3, FRAMES * STEP, 126_000))
    (folder / "1.ts").unlink()
    save(folder, [listed("0.ts"), listed("1.ts", "#EXT-X-GAP\n"), listed("2.ts")])
    entries = tuple(replace(each, missing=index == 1) for index, each in enumerate(whole.entries))
    return replace(whole, entries=entries)


def byte_ranges(folder: Path) -> Playlist:
    """All three in one file."""
    whole = ordinary(folder, spaced(3, FRAMES * STEP, 126_000))
    parts = [(folder / f"{index}.ts").read_bytes() for index in range(3)]
    (folder / "all.ts").write_bytes(b"".join(parts))
    offsets = (sum(map(len, parts[:index])) for index in range(3))
    save(
        folder,
        [
            listed("all.ts", f"#EXT-X-BYTERANGE:{len(part)}@{offset}\n")
            for part, offset in zip(parts, offsets, strict=True)
        ],
    )
    for index in range(3):
        (folder / f"{index}.ts").unlink()
    return whole


def master(folder: Path) -> Playlist:
    """A list of one variant, in a folder below."""
    below = folder / "high"
    below.mkdir()
    media = ordinary(below, spaced(2, FRAMES * STEP, 126_000))
    path = folder / "index.m3u8"
    path.write_text(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180\nhigh/index.m3u8\n",
        encoding="utf-8",
    )
    return replace(media, name=folder.name, path=path)


def pointing(folder: Path, uri: str, head: str = "") -> Playlist:
    """It names, in one of its lines, what lies elsewhere."""
    (folder / "0.ts").write_bytes(write(segment(0, 126_000)))
    outside = folder.parent / "canary.ts"
    outside.write_bytes(canary())
    lines = [listed("0.ts"), listed(uri.format(canary=outside))]
    return Playlist(
        name=folder.name, path=save(folder, lines, head), refusal=frozenset({"refused"})
    )


def empty(folder: Path) -> Playlist:
    """It names nothing."""
    return Playlist(name=folder.name, path=save(folder, []), refusal=frozenset({"no_video"}))


DAY = 24 * 3600 * 90_000
PLAYLISTS: Mapping[str, Callable[[Path], Playlist]] = {
    "hls_ts": partial(ordinary, starts=spaced(3, FRAMES * STEP, 126_000)),
    "hls_live": partial(ordinary, starts=spaced(3, FRAMES * STEP, 126_000), tail=""),
    "hls_discontinuity": partial(
        ordinary, starts=(126_000, DAY, DAY + FRAMES * STEP), broken=frozenset({1})
    ),
    "hls_wrap_between": partial(ordinary, starts=spaced(3, FRAMES * STEP, WRAP - FRAMES * STEP)),
    "hls_wrap_inside": partial(
        ordinary, starts=spaced(3, FRAMES * STEP, WRAP - FRAMES * STEP - 90_000)
    ),
    "hls_fmp4": fragmented,
    "hls_gap": gap,
    "hls_byte_ranges": byte_ranges,
    "hls_master": master,
    "hls_empty": empty,
    "hls_other_folder": partial(pointing, uri="../canary.ts"),
    "hls_absolute_path": partial(pointing, uri="{canary}"),
    "hls_file_url": partial(pointing, uri="file://{canary}"),
    "hls_other_host": partial(pointing, uri="http://127.0.0.1:9/0.ts"),
    "hls_other_map": partial(pointing, uri="0.ts", head='#EXT-X-MAP:URI="../canary.ts"\n'),
    "hls_other_key": partial(
        pointing, uri="0.ts", head='#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/hostname"\n'
    ),
    "hls_concat": partial(pointing, uri="concat:0.ts|../canary.ts"),
}
"""How to make each in an empty folder that carries its name."""
