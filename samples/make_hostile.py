"""Make files that try to harm whoever opens them, of harmless bytes: ``python
samples/make_hostile.py OUT``.

They lie about their size, their counts, their clock or their kind, name files and addresses that
they have no right to, or are damaged. All are made from seeds, so that each run makes the same
bytes.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from pathlib import Path

if not __package__:  # run as a script: only this folder is on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from samples.boxes import box, edit
from samples.drawing import card
from samples.make_media import MAKERS
from samples.playlists import canary
from samples.sound import silence
from samples.stills import chunk
from samples.videos import AVI, MKV
from samples.writing import write

__all__ = [
    "HOSTILE",
    "PICTURES",
    "TRUNCATED",
    "Hostile",
    "Targets",
    "damage",
    "make_hostile",
    "scripts",
]

REFUSED = frozenset({"unsupported", "refused"})
NOTHING = frozenset({"no_video"})
TOO_LARGE = frozenset({"limit_pixels"})
UNREADABLE = frozenset({"damaged", "no_video", "unsupported"})
ANY: frozenset[str] = frozenset()
BOMB = 16_384
"""Pixels a side of pictures that nobody could want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A file, and what must become of it."""

    name: str
    path: Path
    kinds: frozenset[str]
    """Of the error that must come; empty where it may be read, or be refused for any reason that is
    the sender's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a script tries to reach."""

    canary: Path
    """A good video beside it."""
    address: str
    """``host:port`` where someone counts connections."""


@cache
def good(name: str) -> bytes:
    """The bytes of an ordinary sample, its init segment before it."""
    made = MAKERS[name]()
    return (made.init or b"") + made.data


# texts that FFmpeg's prober would follow


def scripts(targets: Targets) -> Mapping[str, str]:
    """Texts by the name they are saved under."""
    path, host = targets.canary, targets.address
    return {
        "text.mp4": "This is not a film.\n" * 400,
        "page.ts": f"<!doctype html><html><body><video src='http://{host}/a.ts'></video></body></html>\n"
        * 40,
        "concat.mp4": f"ffconcat version 1.0\nfile {path.name}\n",
        "concat_absolute.ts": f"ffconcat version 1.0\nfile '{path}'\n",
        "concat_address.ts": f"ffconcat version 1.0\nfile 'http://{host}/a.ts'\n",
        "concat_protocol.ts": f"ffconcat version 1.0\nfile 'concat:{path}|{path}'\n",
        "session.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {host.split(':')[1]} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "playlist.ts": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        "playlist_address.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://{host}/a.ts\n#EXT-X-ENDLIST\n",
        "playlist_tiny.ts": f"#EXTM3U\n{path}\n",
        "dash.mp4": f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>http://{host}/</BaseURL></Period></MPD>",
        "drawing.png": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://{host}/a.png'/></svg>",
        "script.mkv": f"#!/bin/sh\ncat {path}\n",
        "streams.webm": f"ffmetadata\n;FFMETADATA1\ntitle={path}\n",
    }


# lies in an MP4


def counted(
    kind: bytes, at: int, count: int = 0xFFFF_FFFF, name: str = "mp4_h264_b_frames"
) -> bytes:
    """A box says that it has ``count`` entries, which is not so."""
    return edit(
        good(name), kind, lambda body: body[:at] + struct.pack(">I", count) + body[at + 4 :]
    )


def timed(kind: bytes, at: int, value: int) -> bytes:
    """A clock or a length in a header is another."""
    return edit(
        good("mp4_h264"), kind, lambda body: body[:at] + struct.pack(">I", value) + body[at + 4 :]
    )


def nested(depth: int) -> bytes:
    """Boxes in boxes."""
    body = b""
    for _ in range(depth):
        body = box(b"moov", body)
    return good("mp4_h264")[:32] + body


def sized(size: bytes) -> bytes:
    """The first box after the brand says that it is of another size."""
    whole = good("mp4_h264_index_first")
    start = struct.unpack_from(">I", whole)[0]
    return whole[:start] + size + whole[start + len(size) :]


def referring(targets: Targets) -> bytes:
    """Its data reference names another file."""
    entry = box(b"url ", struct.pack(">I", 0) + f"file://{targets.canary}".encode() + b"\0")
    return edit(good("mp4_h264"), b"dinf", lambda _: box(b"dref", struct.pack(">II", 0, 1) + entry))


# pictures that are too large


def png_bomb() -> bytes:
    """A header of 16384 x 16384 pixels and nothing behind it."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", BOMB, BOMB, 8, 6, 0, 0, 0))
        + chunk(b"IEND", b"")
    )


def png_bomb_whole() -> bytes:
    """Few bytes that become 16384 x 16384 black and white pixels, all of them there."""
    rows = zlib.compress(bytes((1 + BOMB // 8) * BOMB), 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", BOMB, BOMB, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def jpeg_bomb() -> bytes:
    """A JPEG whose frame header says 16384 x 16384."""
    return enlarged(good("jpeg_420"))


def enlarged(data: bytes) -> bytes:
    """The same with that size in every JPEG frame header."""
    header = b"\xff\xc0\x00\x11\x08"
    small = header + struct.pack(">HH", 180, 320)
    assert small in data
    return data.replace(small, header + struct.pack(">HH", BOMB, BOMB))


def webp_bomb() -> bytes:
    """A lossless header of 16384 x 16384."""
    bits = (BOMB - 1) | (BOMB - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", bits) + bytes(11)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_screen(side: int) -> bytes:
    """A small GIF on a logical screen of that many pixels a side."""
    whole = good("gif_moving")
    return whole[:6] + struct.pack("<HH", side, side) + whole[10:]


# damage


def damage(data: bytes, seed: int) -> bytes:
    """Some bytes changed, repeated or removed, the same ones for the same seed."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10, 40))):
        at, length = rng.randrange(len(changed)), rng.randrange(1, 200)
        way = rng.randrange(6)
        if way == 0 and len(changed) > length + 16:
            del changed[at : at + length]
        elif way == 1:
            changed[at:at] = changed[at : at + length]
        elif way == 2:
            changed[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1")
            )
        else:
            changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def damaged(name: str, seed: int) -> bytes:
    """A good one, damaged."""
    return damage(good(name), seed)


def cut(name: str, share: float) -> bytes:
    """Only the first part of a good one."""
    whole = good(name)
    return whole[: int(len(whole) * share)]


def tail(name: str, first: int) -> bytes:
    """A good one without its first bytes."""
    return good(name)[first:]


def noise(head: bytes, seed: int = 1) -> bytes:
    """A good beginning, then 20 kB of noise."""
    return head + random.Random(seed).randbytes(20_000)


def null_packets() -> bytes:
    """A transport stream of nothing."""
    return (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 300


def only_tables() -> bytes:
    """A transport stream's tables, over and over, without a picture."""
    whole = good("ts_h264")
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    return (
        b"".join(p for p in packets if (struct.unpack_from(">H", p, 1)[0] & 0x1FFF) in (0, 0x1000))
        * 40
    )


def avi_clock(at: int, value: int) -> bytes:
    """An AVI whose stream header has that number at that place."""
    whole = good("avi_mpeg4")
    start = whole.index(b"strh") + 8 + at
    return whole[:start] + struct.pack("<I", value) + whole[start + 4 :]


def mkv_scale(value: bytes) -> bytes:
    """A Matroska file with another length of a tick, in nanoseconds."""
    whole = good("mkv_h264")
    marker = b"\x2a\xd7\xb1\x83\x0f\x42\x40"
    assert marker in whole
    return whole.replace(marker, b"\x2a\xd7\xb1\x83" + value)


def other_codec(container: str, codec: str, pix_fmt: str) -> bytes:
    """A video whose codec is on nobody's list."""
    base = MKV if container == "matroska" else AVI
    coding = replace(base.coding, pix_fmt=pix_fmt)
    return write(
        replace(base, codec=codec, coding=coding, ticks=base.ticks[:4], scene=lambda n, _: card(n))
    )


TRUNCATED = (
    "ts_h264_b_frames",
    "mp4_h264",
    "mp4_h264_index_first",
    "fmp4_whole",
    "mkv_h264",
    "webm_vp9",
    "avi_mpeg4",
)
PICTURES = ("jpeg_420", "png_rgb", "webp", "webp_moving", "gif_moving")
FLIPPED = (*TRUNCATED, *PICTURES, "mp4_hevc", "mp4_av1", "ts_mpeg2")
SHARES = (0.01, 0.1, 0.5, 0.9, 0.99)

HOSTILE: Mapping[str, tuple[Callable[[], bytes], frozenset[str]]] = {
    "empty.mp4": (lambda: b"", NOTHING),
    "one_byte.ts": (lambda: b"\x47", REFUSED),
    "zeros.mp4": (lambda: bytes(100_000), REFUSED),
    "noise.ts": (partial(noise, b""), REFUSED),
    "noise.mp4": (partial(noise, box(b"ftyp", b"isom\0\0\2\0isomavc1")), UNREADABLE),
    "noise.mkv": (partial(noise, b"\x1a\x45\xdf\xa3"), UNREADABLE),
    "noise.avi": (partial(noise, b"RIFF\xff\xff\xff\xffAVI LIST"), UNREADABLE),
    "noise.jpg": (partial(noise, b"\xff\xd8\xff\xe0"), UNREADABLE),
    "noise.png": (partial(noise, b"\x89PNG\r\n\x1a\n"), UNREADABLE | TOO_LARGE),
    "noise.gif": (partial(noise, b"GIF89a"), ANY),
    "wave.avi": (lambda: silence("wav", "pcm_s16le"), REFUSED),
    "zip.mp4": (lambda: b"PK\x03\x04" + bytes(2000), REFUSED),
    "program.ts": (lambda: b"\x7fELF\x02\x01\x01" + bytes(2000), REFUSED),
    "bomb_header.png": (png_bomb, TOO_LARGE),
    "bomb.png": (png_bomb_whole, TOO_LARGE),
    "bomb.jpg": (jpeg_bomb, TOO_LARGE),
    "bomb.webp": (webp_bomb, TOO_LARGE),
    "bomb.gif": (partial(gif_screen, 65_535), TOO_LARGE),
    "wide.gif": (partial(gif_screen, 3000), ANY),
    "bomb.avi": (lambda: enlarged(good("avi_mjpeg")), ANY),
    "many_samples.mp4": (partial(counted, b"stsz", 8), ANY),
    "many_chunks.mp4": (partial(counted, b"stco", 4), ANY),
    "many_runs.mp4": (partial(counted, b"stsc", 4), ANY),
    "many_times.mp4": (partial(counted, b"stts", 4), ANY),
    "many_offsets.mp4": (partial(counted, b"ctts", 4), ANY),
    "many_edits.mp4": (partial(counted, b"elst", 4), ANY),
    "many_formats.mp4": (partial(counted, b"stsd", 4), ANY),
    "many_in_run.mp4": (partial(counted, b"trun", 4, name="fmp4_whole"), ANY),
    "same_size_samples.mp4": (partial(counted, b"stsz", 4, 1), ANY),
    "long.mp4": (partial(timed, b"mdhd", 16, 0xFFFF_FFFF), ANY),
    "long_frames.mp4": (partial(timed, b"stts", 12, 0x7FFF_FFFF), ANY),
    "no_clock.mp4": (partial(timed, b"mdhd", 12, 0), ANY),
    "fast_clock.mp4": (partial(timed, b"mdhd", 12, 0xFFFF_FFFF), ANY),
    "nested.mp4": (partial(nested, 5000), UNREADABLE),
    "endless_box.mp4": (partial(sized, b"\xff\xff\xff\xff"), ANY),
    "huge_box.mp4": (partial(sized, b"\0\0\0\1moov\x7f\xff\xff\xff\xff\xff\xff\xff"), ANY),
    "tiny_box.mp4": (partial(sized, b"\0\0\0\4"), ANY),
    "brand_only.mp4": (lambda: box(b"ftyp", b"isom\0\0\2\0isomavc1"), UNREADABLE),
    "null_packets.ts": (null_packets, UNREADABLE),
    "only_tables.ts": (only_tables, UNREADABLE),
    "no_scale.avi": (partial(avi_clock, 20, 0), ANY),
    "no_rate.avi": (partial(avi_clock, 24, 0), ANY),
    "fast.avi": (partial(avi_clock, 24, 0xFFFF_FFFF), ANY),
    "no_tick.mkv": (partial(mkv_scale, b"\0\0\0"), ANY),
    "long_tick.mkv": (partial(mkv_scale, b"\xff\xff\xff"), ANY),
    "other_codec.mkv": (partial(other_codec, "matroska", "ffv1", "yuv420p"), REFUSED),
    "other_codec.avi": (partial(other_codec, "avi", "rawvideo", "yuv420p"), REFUSED),
    "fragment_alone.m4s": (lambda: MAKERS["fmp4_second"]().data, UNREADABLE),
    **{
        f"cut_{name}_{share}.bin": (partial(cut, name, share), ANY)
        for name in (*TRUNCATED, *PICTURES)
        for share in SHARES
    },
    **{
        f"tail_{first}.ts": (partial(tail, "ts_h264_b_frames", first), ANY)
        for first in (1, 100, 188, 5000)
    },
    **{
        f"damaged_{name}_{n}.bin": (partial(damaged, name, n), ANY)
        for name in FLIPPED
        for n in range(4)
    },
    **{f"mutated_{n}.m4s": (partial(damaged, "fmp4_whole", 1000 + n), ANY) for n in range(20)},
}
"""How to make each, and the kinds of error of which one must come."""


def make_hostile(out: Path, address: str = "127.0.0.1:9") -> dict[str, Hostile]:
    """Write all of them, and the canary that some of them name, into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    targets = Targets(canary=out / "canary.ts", address=address)
    targets.canary.write_bytes(canary())
    texts = ((name, text.encode(), REFUSED) for name, text in scripts(targets).items())
    lies = ((name, make(), kinds) for name, (make, kinds) in HOSTILE.items())
    reference = ("referring.mp4", referring(targets), ANY)
    return {
        name: _written(out / name, data, kinds)
        for name, data, kinds in chain(texts, lies, (reference,))
    }


def _written(path: Path, data: bytes, kinds: frozenset[str]) -> Hostile:
    path.write_bytes(data)
    return Hostile(name=path.name, path=path, kinds=kinds)


def main() -> None:
    """All of them, into the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python samples/make_hostile.py OUT")
    print(f"{sys.argv[1]}: {len(make_hostile(Path(sys.argv[1])))} files")


if __name__ == "__main__":
    main()
