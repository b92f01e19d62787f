"""Make files that attack the program that opens them: ``python samples/make_hostile.py OUT``.

Their contents are harmless. They declare false sizes, counts, clocks or kinds, name files and
addresses that must not be opened, or are damaged. All are made from seeds, so that each run makes
the same bytes.
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

from samples.drawing import draw_card
from samples.encoding import encode_file
from samples.make_media import MAKERS
from samples.mp4_boxes import box, edit
from samples.other_tracks import encode_silence
from samples.playlists import encode_canary
from samples.stills import encode_chunk
from samples.videos import AVI, MKV

__all__ = [
    "HOSTILE",
    "PICTURES",
    "TRUNCATED",
    "HostileFile",
    "ScriptTargets",
    "damage",
    "make_hostile",
    "write_scripts",
]

REFUSED = frozenset({"unsupported", "refused"})
NOTHING = frozenset({"no_video"})
TOO_LARGE = frozenset({"limit_pixels"})
UNREADABLE = frozenset({"damaged", "no_video", "unsupported"})
ANY: frozenset[str] = frozenset()
BOMB = 16_384
"""Pixels per side of pictures that are too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileFile:
    """A hostile file and the errors that are expected of it."""

    name: str
    path: Path
    kinds: frozenset[str]
    """Kinds of error of which one must be raised; empty if any ``InputError`` or none is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTargets:
    """File and address that a script tries to reach."""

    canary: Path
    """A valid video in the same folder."""
    address: str
    """``host:port`` of a listener that counts connections."""


@cache
def read_sample(name: str) -> bytes:
    """Return the bytes of an ordinary sample with its init segment before it."""
    made = MAKERS[name]()
    return (made.init or b"") + made.data


# texts that FFmpeg's prober would follow


def write_scripts(targets: ScriptTargets) -> Mapping[str, str]:
    """Return the texts by the names of their files."""
    path, host = targets.canary, targets.address
    return {
        "text.mp4": "This is not a film.\n" * 400,
        "page.ts": f"<!doctype html><html><body><video src='http://{host}/a.ts'></video></body></html>\n"
        * 40,
        "concat.mp4": f"ffconcat version 1.0\nfile {path.name}\n",
        "concat_absolute.ts": f"ffconcat version 1.0\nfile '{path}'\n",
        "concat_address.ts": f"ffconcat version 1.0\nfile 'http://{host}/a.ts'\n",
        "concat_protocol.ts": f"ffconcat version 1.0\nfile 'concat:{path}|{path}'\n",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {host.split(':')[1]} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "playlist.ts": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        "playlist_address.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://{host}/a.ts\n#EXT-X-ENDLIST\n",
        "playlist_tiny.ts": f"#EXTM3U\n{path}\n",
        "dash.mp4": f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><BaseURL>http://{host}/</BaseURL></Period></MPD>",
        "drawing.png": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://{host}/a.png'/></svg>",
        "script.mkv": f"#!/bin/sh\ncat {path}\n",
        "streams.webm": f"ffmetadata\n;FFMETADATA1\ntitle={path}\n",
    }


# false values in an MP4


def set_count(
    kind: bytes, at: int, count: int = 0xFFFF_FFFF, name: str = "mp4_h264_b_frames"
) -> bytes:
    """Return an MP4 in which a box declares ``count`` entries that it does not have."""
    return edit(
        read_sample(name), kind, lambda body: body[:at] + struct.pack(">I", count) + body[at + 4 :]
    )


def set_time(kind: bytes, at: int, value: int) -> bytes:
    """Return an MP4 with another clock or length in a header."""
    return edit(
        read_sample("mp4_h264"),
        kind,
        lambda body: body[:at] + struct.pack(">I", value) + body[at + 4 :],
    )


def nest_boxes(depth: int) -> bytes:
    """Return an MP4 with boxes nested that deep."""
    body = b""
    for _ in range(depth):
        body = box(b"moov", body)
    return read_sample("mp4_h264")[:32] + body


def set_size(size: bytes) -> bytes:
    """Return an MP4 whose first box after the brand declares another size."""
    whole = read_sample("mp4_h264_index_first")
    start = struct.unpack_from(">I", whole)[0]
    return whole[:start] + size + whole[start + len(size) :]


def refer_to_file(targets: ScriptTargets) -> bytes:
    """Return an MP4 whose data reference names another file."""
    entry = box(b"url ", struct.pack(">I", 0) + f"file://{targets.canary}".encode() + b"\0")
    return edit(
        read_sample("mp4_h264"), b"dinf", lambda _: box(b"dref", struct.pack(">II", 0, 1) + entry)
    )


# pictures that are too large


def make_png_bomb() -> bytes:
    """Return a PNG header of 16384 x 16384 pixels without pixels."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + encode_chunk(b"IHDR", struct.pack(">IIBBBBB", BOMB, BOMB, 8, 6, 0, 0, 0))
        + encode_chunk(b"IEND", b"")
    )


def make_full_png_bomb() -> bytes:
    """Return a small PNG that decodes to 16384 x 16384 black and white pixels."""
    rows = zlib.compress(bytes((1 + BOMB // 8) * BOMB), 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + encode_chunk(b"IHDR", struct.pack(">IIBBBBB", BOMB, BOMB, 1, 0, 0, 0, 0))
        + encode_chunk(b"IDAT", rows)
        + encode_chunk(b"IEND", b"")
    )


def make_jpeg_bomb() -> bytes:
    """Return a JPEG whose frame header declares 16384 x 16384 pixels."""
    return enlarge(read_sample("jpeg_420"))


def enlarge(data: bytes) -> bytes:
    """Return the data with that size in every JPEG frame header."""
    header = b"\xff\xc0\x00\x11\x08"
    small = header + struct.pack(">HH", 180, 320)
    assert small in data
    return data.replace(small, header + struct.pack(">HH", BOMB, BOMB))


def make_webp_bomb() -> bytes:
    """Return a lossless WebP header of 16384 x 16384 pixels."""
    bits = (BOMB - 1) | (BOMB - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<I", 16) + b"\x2f" + struct.pack("<I", bits) + bytes(11)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def set_gif_screen(side: int) -> bytes:
    """Return a small GIF on a logical screen of that many pixels per side."""
    whole = read_sample("gif_moving")
    return whole[:6] + struct.pack("<HH", side, side) + whole[10:]


# damage


def damage(data: bytes, seed: int) -> bytes:
    """Return the data with some bytes changed, repeated or removed, as the seed determines."""
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


def damage_sample(name: str, seed: int) -> bytes:
    """Return a damaged sample."""
    return damage(read_sample(name), seed)


def truncate(name: str, share: float) -> bytes:
    """Return the first part of a sample."""
    whole = read_sample(name)
    return whole[: int(len(whole) * share)]


def drop_start(name: str, first: int) -> bytes:
    """Return a sample without its first bytes."""
    return read_sample(name)[first:]


def make_noise(head: bytes, seed: int = 1) -> bytes:
    """Return a valid beginning and 20 kB of noise."""
    return head + random.Random(seed).randbytes(20_000)


def make_null_packets() -> bytes:
    """Return a transport stream of null packets."""
    return (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 300


def keep_tables() -> bytes:
    """Return the tables of a transport stream, repeated, without a picture."""
    whole = read_sample("ts_h264")
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    return (
        b"".join(p for p in packets if (struct.unpack_from(">H", p, 1)[0] & 0x1FFF) in (0, 0x1000))
        * 40
    )


def set_avi_clock(at: int, value: int) -> bytes:
    """Return an AVI whose stream header has that number at that offset."""
    whole = read_sample("avi_mpeg4")
    start = whole.index(b"strh") + 8 + at
    return whole[:start] + struct.pack("<I", value) + whole[start + 4 :]


def set_mkv_scale(value: bytes) -> bytes:
    """Return a Matroska file with another duration of a tick, in nanoseconds."""
    whole = read_sample("mkv_h264")
    marker = b"\x2a\xd7\xb1\x83\x0f\x42\x40"
    assert marker in whole
    return whole.replace(marker, b"\x2a\xd7\xb1\x83" + value)


def encode_other_codec(container: str, codec: str, pix_fmt: str) -> bytes:
    """Encode a video whose codec is not allowed."""
    base = MKV if container == "matroska" else AVI
    coding = replace(base.coding, pix_fmt=pix_fmt)
    return encode_file(
        replace(
            base, codec=codec, coding=coding, ticks=base.ticks[:4], scene=lambda n, _: draw_card(n)
        )
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
    "noise.ts": (partial(make_noise, b""), REFUSED),
    "noise.mp4": (partial(make_noise, box(b"ftyp", b"isom\0\0\2\0isomavc1")), UNREADABLE),
    "noise.mkv": (partial(make_noise, b"\x1a\x45\xdf\xa3"), UNREADABLE),
    "noise.avi": (partial(make_noise, b"RIFF\xff\xff\xff\xffAVI LIST"), UNREADABLE),
    "noise.jpg": (partial(make_noise, b"\xff\xd8\xff\xe0"), UNREADABLE),
    "noise.png": (partial(make_noise, b"\x89PNG\r\n\x1a\n"), UNREADABLE | TOO_LARGE),
    "noise.gif": (partial(make_noise, b"GIF89a"), ANY),
    "wave.avi": (lambda: encode_silence("wav", "pcm_s16le"), REFUSED),
    "zip.mp4": (lambda: b"PK\x03\x04" + bytes(2000), REFUSED),
    "program.ts": (lambda: b"\x7fELF\x02\x01\x01" + bytes(2000), REFUSED),
    "bomb_header.png": (make_png_bomb, TOO_LARGE),
    "bomb.png": (make_full_png_bomb, TOO_LARGE),
    "bomb.jpg": (make_jpeg_bomb, TOO_LARGE),
    "bomb.webp": (make_webp_bomb, TOO_LARGE),
    "bomb.gif": (partial(set_gif_screen, 65_535), TOO_LARGE),
    "wide.gif": (partial(set_gif_screen, 3000), ANY),
    "bomb.avi": (lambda: enlarge(read_sample("avi_mjpeg")), ANY),
    "many_samples.mp4": (partial(set_count, b"stsz", 8), ANY),
    "many_chunks.mp4": (partial(set_count, b"stco", 4), ANY),
    "many_runs.mp4": (partial(set_count, b"stsc", 4), ANY),
    "many_times.mp4": (partial(set_count, b"stts", 4), ANY),
    "many_offsets.mp4": (partial(set_count, b"ctts", 4), ANY),
    "many_edits.mp4": (partial(set_count, b"elst", 4), ANY),
    "many_formats.mp4": (partial(set_count, b"stsd", 4), ANY),
    "many_in_run.mp4": (partial(set_count, b"trun", 4, name="fmp4_whole"), ANY),
    "same_size_samples.mp4": (partial(set_count, b"stsz", 4, 1), ANY),
    "long.mp4": (partial(set_time, b"mdhd", 16, 0xFFFF_FFFF), ANY),
    "long_frames.mp4": (partial(set_time, b"stts", 12, 0x7FFF_FFFF), ANY),
    "no_clock.mp4": (partial(set_time, b"mdhd", 12, 0), ANY),
    "fast_clock.mp4": (partial(set_time, b"mdhd", 12, 0xFFFF_FFFF), ANY),
    "nested.mp4": (partial(nest_boxes, 5000), UNREADABLE),
    "endless_box.mp4": (partial(set_size, b"\xff\xff\xff\xff"), ANY),
    "huge_box.mp4": (partial(set_size, b"\0\0\0\1moov\x7f\xff\xff\xff\xff\xff\xff\xff"), ANY),
    "tiny_box.mp4": (partial(set_size, b"\0\0\0\4"), ANY),
    "brand_only.mp4": (lambda: box(b"ftyp", b"isom\0\0\2\0isomavc1"), UNREADABLE),
    "null_packets.ts": (make_null_packets, UNREADABLE),
    "only_tables.ts": (keep_tables, UNREADABLE),
    "no_scale.avi": (partial(set_avi_clock, 20, 0), ANY),
    "no_rate.avi": (partial(set_avi_clock, 24, 0), ANY),
    "fast.avi": (partial(set_avi_clock, 24, 0xFFFF_FFFF), ANY),
    "no_tick.mkv": (partial(set_mkv_scale, b"\0\0\0"), ANY),
    "long_tick.mkv": (partial(set_mkv_scale, b"\xff\xff\xff"), ANY),
    "other_codec.mkv": (partial(encode_other_codec, "matroska", "ffv1", "yuv420p"), REFUSED),
    "other_codec.avi": (partial(encode_other_codec, "avi", "rawvideo", "yuv420p"), REFUSED),
    "fragment_alone.m4s": (lambda: MAKERS["fmp4_second"]().data, UNREADABLE),
    **{
        f"cut_{name}_{share}.bin": (partial(truncate, name, share), ANY)
        for name in (*TRUNCATED, *PICTURES)
        for share in SHARES
    },
    **{
        f"tail_{first}.ts": (partial(drop_start, "ts_h264_b_frames", first), ANY)
        for first in (1, 100, 188, 5000)
    },
    **{
        f"damaged_{name}_{n}.bin": (partial(damage_sample, name, n), ANY)
        for name in FLIPPED
        for n in range(4)
    },
    **{
        f"mutated_{n}.m4s": (partial(damage_sample, "fmp4_whole", 1000 + n), ANY) for n in range(20)
    },
}
"""Function that makes each file, and the kinds of error of which one must be raised."""


def make_hostile(out: Path, address: str = "127.0.0.1:9") -> dict[str, HostileFile]:
    """Write all hostile files, and the canary that some of them name, into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    targets = ScriptTargets(canary=out / "canary.ts", address=address)
    targets.canary.write_bytes(encode_canary())
    texts = ((name, text.encode(), REFUSED) for name, text in write_scripts(targets).items())
    lies = ((name, make(), kinds) for name, (make, kinds) in HOSTILE.items())
    reference = ("referring.mp4", refer_to_file(targets), ANY)
    return {
        name: _write(out / name, data, kinds)
        for name, data, kinds in chain(texts, lies, (reference,))
    }


def _write(path: Path, data: bytes, kinds: frozenset[str]) -> HostileFile:
    path.write_bytes(data)
    return HostileFile(name=path.name, path=path, kinds=kinds)


def main() -> None:
    """Write all hostile files into the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python samples/make_hostile.py OUT")
    print(f"{sys.argv[1]}: {len(make_hostile(Path(sys.argv[1])))} files")


if __name__ == "__main__":
    main()
