"""Hostile sources do no harm, and broken sources are decoded as far as possible."""

from __future__ import annotations

import io
import random
import socket
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from scanner.errors import DamagedError, FormatError, InputError, LimitError, NoVideoError
from scanner.media.limits import MediaLimits
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Sampling
from tests.media.build import encode
from tests.media.decoding import SPEC, decode_all, times
from tests.media.test_bursts import decode_with_bursts


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A readable video that must not be opened."""
    path = tmp_path / "canary.ts"
    path.write_bytes(encode(frames=30))
    return path


LURES = [
    "ffconcat version 1.0\nfile '{path}'\n",
    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    '<?xml version="1.0"?><MPD><BaseURL>{path}</BaseURL></MPD>',
    "{path}",
    "concat:{path}|{path}",
    "subfile,,start,0,end,0,,:{path}",
    "GFILE {path}\n" * 500,
]


@pytest.mark.parametrize("lure", LURES)
def test_a_text_that_names_a_file_is_refused(lure: str, canary: Path) -> None:
    with pytest.raises(FormatError, match="begins with"):
        decode_all(lure.format(path=canary).encode())


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"\x1a\x45\xdf\xa3",
        b"RIFF\x00\x01\x00\x00AVI ",
        b"FLV\x01\x01\x00\x00\x00\x09",
    ],
)
def test_a_script_behind_the_first_bytes_of_a_container_is_no_video(
    head: bytes, canary: Path
) -> None:
    with pytest.raises((DamagedError, NoVideoError)):
        decode_all(head + LURES[0].format(path=canary).encode())


def test_nothing_calls_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        port = server.getsockname()[1]
        for lure in (
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
            *(text.format(path=f"http://127.0.0.1:{port}/a") for text in LURES),
        ):
            with pytest.raises(FormatError):
                decode_all(lure.encode())

        with pytest.raises(TimeoutError):
            server.accept()


def test_an_mp4_whose_media_lies_in_another_file_shows_nothing_of_it(tmp_path: Path) -> None:
    other = tmp_path / "other.mov"
    other.write_bytes(encode(container="mov", frames=30))
    referring = with_reference(other.read_bytes(), other)

    windows = decode_all(referring)

    assert not any(w.samples for w in windows)


def with_reference(mov: bytes, path: Path) -> bytes:
    """Return the tables of ``mov`` without media, its data reference an alias of ``path``."""
    moov = mov[mov.index(b"moov") - 4 :]
    entry = moov.index(b"dref") + 12
    url = path.as_uri().encode() + b"\0"
    alias = struct.pack(">I4sI", 12 + len(url), b"url ", 0) + url
    grown = len(alias) - 12
    body = bytearray(moov[:entry] + alias + moov[entry + 12 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = body.index(box) - 4
        body[at : at + 4] = (int.from_bytes(body[at : at + 4]) + grown).to_bytes(4)
    return mov[: mov.index(b"mdat") - 4] + bytes(body)


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(NoVideoError, match="clip: 0 bytes"):
        decode_all(b"")


@pytest.mark.parametrize(
    "text", [b"hello\n", b"G" + b"ood morning. " * 500, b"\x00" * 4096, b"%PDF-1.7", b"PK\x03\x04"]
)
def test_a_source_that_is_no_media_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError, match="a media file is wanted"):
        decode_all(text)


def png(width: int, height: int) -> bytes:
    """Return a header that declares that many pixels, and nothing after it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(
        ">I4s13sI", 13, b"IHDR", head, zlib.crc32(b"IHDR" + head)
    )


def jpeg(width: int, height: int) -> bytes:
    return (
        b"\xff\xd8\xff\xc0\x00\x0b\x08"
        + struct.pack(">HH", height, width)
        + b"\x01\x01\x11\x00\xff\xd9"
    )


def gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", width, height, 0, 0, 0)
        + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, width, height, 0)
        + b"\x02\x02\x4c\x01\x00;"
    )


@pytest.mark.parametrize(
    "data", [png(16384, 16384), jpeg(16384, 16384), gif(16384, 16384), png(1 << 31, 1)]
)
def test_too_many_pixels_are_refused_from_the_header(data: bytes) -> None:
    with pytest.raises(LimitError, match="pixels, limit is 35389440") as refused:
        decode_all(data)

    assert refused.value.kind == "limit_pixels"


@pytest.mark.parametrize(
    ("limits", "kind", "message"),
    [
        (MediaLimits(max_bytes=1000), "limit_bytes", r"clip: \d+ bytes, limit is 1000"),
        (
            MediaLimits(max_duration=Fraction(1)),
            "limit_duration",
            r"clip: 2\.0 s long, limit is 1\.0 s",
        ),
        (
            MediaLimits(max_pixels=1000),
            "limit_pixels",
            "clip: 128x96 is 12288 pixels, limit is 1000",
        ),
        (MediaLimits(max_frames=1), "limit_frames", "clip: window 0 has more than 1 samples"),
        (MediaLimits(max_tracks=1), "limit_tracks", "clip: 2 tracks, limit is 1"),
        (
            MediaLimits(probe_seconds=1e-9),
            "limit_probe_time",
            r"clip: took .* s to open, limit is 1e-09 s",
        ),
    ],
)
@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska"])
def test_each_limit_has_its_kind(
    limits: MediaLimits, kind: str, message: str, container: str
) -> None:
    with pytest.raises(LimitError, match=message) as refused:
        decode_all(encode(container=container, sound=True), limits=limits)

    assert refused.value.kind == kind


def test_a_large_picture_file_is_refused() -> None:
    with pytest.raises(LimitError) as refused:
        decode_all(png(10, 10) + bytes(2000), limits=MediaLimits(max_still_bytes=1000))

    assert refused.value.kind == "limit_bytes"


@pytest.mark.parametrize("container", ["mpegts", "matroska", "avi"])
def test_a_truncated_file_shows_its_beginning(container: str) -> None:
    data = encode(container=container, frames=300, gop=30)

    windows = decode_all(data[: len(data) // 2])

    assert 3 <= len(times(windows)) <= 6


def test_an_mp4_whose_end_is_missing_reports_the_end_as_undecodable() -> None:
    data = faststart(encode(container="mp4", frames=300, gop=30))

    (window,) = decode_all(data[: len(data) - 1200])

    assert window.times.duration == 10
    assert window.unseen[-1].reason == "undecodable"
    assert window.unseen[-1].span.end == 10


def faststart(mp4: bytes) -> bytes:
    """Return the MP4 with its tables before its media."""
    media, tables = mp4.index(b"mdat") - 4, mp4.index(b"moov") - 4
    moov = bytearray(mp4[tables:])
    at = moov.index(b"stco") + 8
    for entry in range(at + 4, at + 4 + 4 * int.from_bytes(moov[at : at + 4]), 4):
        moov[entry : entry + 4] = (int.from_bytes(moov[entry : entry + 4]) + len(moov)).to_bytes(4)
    return mp4[:media] + bytes(moov) + mp4[media:tables]


def test_an_mp4_without_its_tables_is_damaged() -> None:
    with pytest.raises(DamagedError, match="clip: cannot be opened as MP4"):
        decode_all(encode(container="mp4", frames=300)[:3000])


def test_a_keyframe_that_cannot_be_decoded_is_unseen_and_the_others_are_shown() -> None:
    data = bytearray(encode(container="matroska", frames=90, gop=30))
    middle = [m for m in range(len(data) - 4) if data[m : m + 4] == b"\x1f\x43\xb6\x75"]
    cluster = middle[1] if len(middle) > 1 else len(data) // 3
    data[cluster + 40 : cluster + 400] = bytes(360)

    windows = decode_all(bytes(data), sampling=Sampling(strategy="keyframes"))

    assert len(times(windows)) >= 1
    assert all(w.samples or w.unseen for w in windows)


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "avi", "flv"])
def test_flipped_bits_never_raise_anything_else(container: str) -> None:
    data = encode(container=container, frames=60, gop=15, bframes=2, sound=container != "avi")
    rng = random.Random(container)

    for _ in range(40):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 40)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            windows = decode_all(bytes(broken))
        except (
            InputError,
            MemoryError,
        ):  # a table may claim any size; the sandbox reports it as limit_memory
            continue
        assert [w.index for w in windows] == list(range(len(windows)))
        assert all(
            0 <= u.span.start <= u.span.end <= w.times.duration for w in windows for u in w.unseen
        )


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "avi", "flv"])
def test_flipped_bits_cost_bursts_and_no_more(container: str) -> None:
    data = encode(container=container, frames=90, gop=30, bframes=2)
    rng = random.Random(container)

    made = 0
    for _ in range(40):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 40)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            seen = decode_with_bursts(bytes(broken))
        except (InputError, MemoryError):
            continue
        for window, bursts in seen:
            made += len(bursts)
            assert all(0 <= burst.at <= window.times.duration for burst in bursts)
            assert [burst.at for burst in bursts] == sorted(burst.at for burst in bursts)
            assert all(
                image.shape == spec.shape
                for burst in bursts
                for spec, image in burst.images.items()
            )
    assert made


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_flipped_bits_of_a_picture_never_raise_anything_else(kind: str) -> None:
    sink = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(sink, kind)
    rng = random.Random(kind)

    refusals, windows = list[InputError](), list[DecodedWindow]()
    for _ in range(60):
        broken = bytearray(sink.getvalue())
        for _ in range(rng.randint(1, 20)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            windows += decode_all(bytes(broken[: rng.randrange(1, len(broken))]))
        except InputError as error:
            refusals.append(error)

    assert len(refusals) + len(windows) == 60
    assert all(str(error).startswith("clip: ") for error in refusals)
    assert all(bool(window.samples) != bool(window.unseen) for window in windows)
    assert all(s.images[SPEC].shape == SPEC.shape for w in windows for s in w.samples)
    assert bool(windows) == (kind in {"JPEG", "GIF"})  # the others are read whole or not at all
