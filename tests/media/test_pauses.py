"""Pictures that pause while the sound, or the declared duration, goes on."""

from __future__ import annotations

import io
from contextlib import ExitStack
from fractions import Fraction

import av
import numpy as np
import pytest

from scanner.media.clip import ClipLimits, ClipPiece
from scanner.media.samples import DecodedWindow
from scanner.media.span_reader import read_span
from scanner.types import Span, Unseen
from tests.media.build import picture
from tests.media.decoding import decode_all

RATE, GOP = 15, 30
PAUSE = range(75, 375)
"""Numbers of the frames that are missing: 5 to 25 s."""
SECONDS = 30
FINEST = Fraction(1, 500)


def draw(container: str, *, bframes: int = 0, sound: range | None = range(SECONDS)) -> bytes:
    """Return 30 s of pictures with a pause of 20 s, and the given seconds of sound."""
    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        options = {
            "preset": "ultrafast",
            "x264-params": f"scenecut=0:keyint={GOP}:min-keyint={GOP}:bframes={bframes}:b-adapt=0",
        }
        video = out.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.thread_count = 1
        audio = out.add_stream("aac", rate=8000) if sound is not None else None
        for second in range(SECONDS):
            for number in range(second * RATE, (second + 1) * RATE):
                if number not in PAUSE:
                    frame = av.VideoFrame.from_ndarray(picture(number % 200, (64, 48)), "rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, RATE)
                    out.mux(video.encode(frame))
            if audio is not None and sound is not None and second in sound:
                quiet = np.zeros((1, 8000), np.float32)
                heard = av.AudioFrame.from_ndarray(quiet, format="fltp", layout="mono")
                heard.sample_rate, heard.pts = 8000, second * 8000
                heard.time_base = Fraction(1, 8000)
                out.mux(audio.encode(heard))
        out.mux(video.encode(None))
        if audio is not None:
            out.mux(audio.encode(None))
    return sink.getvalue()


def pauses(windows: list[DecodedWindow]) -> list[tuple[float, float]]:
    """Return the stretches that are missing, from the source's first frame."""
    return [
        (round(float(w.begins + one.span.start), 1), round(float(w.begins + one.span.end), 1))
        for w in windows
        for one in w.unseen
        if one.reason == "missing"
    ]


@pytest.mark.parametrize("container", ["mpegts", "flv"])
@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("window", [None, Fraction(10)])
def test_pictures_that_pause_while_the_sound_goes_on_are_a_gap(
    container: str, bframes: int, window: Fraction | None
) -> None:
    windows = decode_all(draw(container, bframes=bframes), window=window)

    assert pauses(windows) == [(5.0, 25.0)]
    assert not any(one.discontinuity for one in windows)
    last = windows[-1]
    assert float(last.begins + last.times.duration) == pytest.approx(SECONDS, abs=0.01)
    samples = [one.begins + sample.at for one in windows for sample in one.samples]
    assert not [at for at in samples if 5 + FINEST < at < 25 - FINEST]
    assert not [one for window in windows for one in window.unseen if one.reason != "missing"]


@pytest.mark.parametrize("sound", [None, range(5), range(25, SECONDS)], ids=str)
def test_a_step_of_the_clock_that_nothing_confirms_is_a_jump(sound: range | None) -> None:
    first, *_, last = decode_all(draw("mpegts", sound=sound))

    assert pauses([first, last]) == []
    assert last.begins + last.times.duration == pytest.approx(10, abs=0.01)


def test_a_declared_duration_confirms_a_pause() -> None:
    data = draw("mpegts", sound=None)

    (declared,) = decode_all(data, window=None, declared=Fraction(30))
    (too_short,) = decode_all(data, window=None, declared=Fraction(10))

    assert pauses([declared]) == [(5.0, 25.0)]
    assert pauses([too_short]) == []
    (unseen,) = declared.unseen
    assert unseen == Unseen(span=Span(start=Fraction(5), end=Fraction(25)), reason="missing")


def test_a_clip_of_pictures_after_a_pause_is_found() -> None:
    source = io.BytesIO(draw("mpegts"))
    piece = ClipPiece(span=Span(start=Fraction(26), end=Fraction(28)))

    with ExitStack() as stack:
        packets = read_span(source, piece, ClipLimits(), stack, name="clip")

        assert packets is not None
        assert packets.pictures[0].at == 26
        assert packets.end >= 28
