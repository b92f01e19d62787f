"""Cutting clips and decoding thumbnails work in the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from samples.facts import SampleFile
from scanner.errors import FormatError
from scanner.media.clip import ClipInfo, ClipPiece, ClipRequest
from scanner.media.thumbnails import ThumbnailRequest
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec, Span
from tests.media_clip.mp4 import pictures

SPEC = FrameSpec(width=96, height=64)
TASKS = {
    "cut": "scanner.media.clip:cut_in_child",
    "thumbnails": "scanner.media.thumbnails:decode_thumbnails",
}
SampleMedia = Callable[[str], SampleFile]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tasks=TASKS) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("ts_h264_b_frames", "copied"),
        ("mp4_hevc_10_bit", "transcoded"),
        ("mp4_mpeg4", "transcoded"),
    ],
)
def test_a_clip_is_cut_in_the_child(
    sandbox: Sandbox, sample_media: SampleMedia, tmp_path: Path, name: str, method: str
) -> None:
    piece = ClipPiece(span=Span(start=Fraction(0), end=Fraction(2)))

    with (tmp_path / "clip.mp4").open("w+b") as output:
        info = sandbox.call(
            "cut",
            [sample_media(name).path],
            ClipRequest(pieces=(piece,)),
            output=output,
            name="test",
        )

    assert ClipInfo.from_json(info).method == method
    assert pictures((tmp_path / "clip.mp4").read_bytes())


def test_thumbnails_are_decoded_in_the_child(sandbox: Sandbox, sample_media: SampleMedia) -> None:
    request = ThumbnailRequest(times=(Fraction(0), Fraction(1)), spec=SPEC)

    (window,) = sandbox.stream(
        "thumbnails", [sample_media("ts_h264").path], request, specs=(SPEC,), name="test"
    )

    assert [still.images[SPEC].shape for still in window.samples] == [SPEC.shape, SPEC.shape]


def test_an_error_of_the_source_comes_out_of_the_child(sandbox: Sandbox, tmp_path: Path) -> None:
    piece = ClipPiece(span=Span(start=Fraction(0), end=Fraction(2)))

    with (tmp_path / "clip.mp4").open("w+b") as output, pytest.raises(FormatError, match="test"):
        sandbox.call(
            "cut",
            [b"ffconcat version 1.0\nfile /etc/passwd\n"],
            ClipRequest(pieces=(piece,)),
            output=output,
            name="test",
        )
