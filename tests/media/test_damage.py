"""A picture that the decoder could only make up is not a sample."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest

from scanner.media.sampling import Sampling
from scanner.types import Span, Unseen
from tests.media.damage import GOP, RATE, damaged
from tests.media.decoding import SPEC, decode_all


def corrupt_seconds(data: bytes) -> list[Fraction]:
    """Return the times of the keyframes that a plain PyAV loop reports as corrupt."""
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        assert track.time_base is not None
        return [
            (frame.pts or 0) * track.time_base
            for frame in container.decode(track)
            if frame.is_corrupt and (frame.pts or 0) * track.time_base * RATE % GOP == 0
        ]


@pytest.mark.parametrize("strategy", ["adaptive", "keyframes"])
@pytest.mark.parametrize("broken", [(3,), (2, 3, 4), (0,), (7,), (0, 1, 2, 3, 4, 5, 6, 7)], ids=str)
def test_keyframes_that_the_decoder_reports_as_corrupt_are_unseen(
    strategy: str, broken: tuple[int, ...]
) -> None:
    data = damaged(broken)
    corrupt = corrupt_seconds(data)
    assert corrupt == list(broken)

    (window,) = decode_all(data, sampling=Sampling(strategy=strategy))  # type: ignore[arg-type]

    assert [s.at for s in window.samples] == [n for n in range(8) if n not in corrupt]
    assert [s.at for s in window.damaged] == corrupt
    assert all(s.images.keys() == {SPEC} for s in window.damaged)
    (unseen,) = window.unseen
    assert unseen == Unseen(
        span=Span(start=Fraction(broken[0]), end=Fraction(broken[-1] + 1)), reason="undecodable"
    )
