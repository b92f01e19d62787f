"""``decode`` on ordinary media: what is sampled, and when."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest

from scanner.media import DecodeRequest, decode
from scanner.types import Decoded, FrameSpec
from tests.media.build import encode

SPEC = FrameSpec(width=64, height=48)


def run(data: bytes, **wishes: object) -> list[Decoded]:
    request = DecodeRequest(specs=(SPEC,), **wishes)  # type: ignore[arg-type]
    return list(decode(io.BytesIO(data), request, name="clip"))


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "avi"])
def test_keyframes_are_sampled_at_their_exact_times(container: str) -> None:
    data = encode(container=container, frames=60, gop=30)

    (window,) = run(data)

    assert [s.at for s in window.samples] == [Fraction(0), Fraction(1)]
    assert all(s.keyframe for s in window.samples)
    assert window.times.duration == 2
