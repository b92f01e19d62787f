"""The facts of each sample agree with a full decode by PyAV and with FFmpeg's own tool."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from samples.drawing import draw_card, read_mark
from samples.facts import SampleFacts, SampleFile
from samples.make_hostile import HOSTILE
from samples.make_media import MAKERS
from samples.odd import ODD
from samples.videos import VIDEOS

READABLE = [
    name for name in (*VIDEOS, *ODD) if not name.endswith(("mute", "too_many_tracks", "avif"))
]
PROBED = [
    "ts_h264_b_frames",
    "mp4_h264_b_frames",
    "mkv_h264_b_frames",
    "webm_vp9",
    "avi_mpeg4",
    "mp4_delayed",
    "ts_late_start",
    "mov_h264",
]


def upright(frame: av.VideoFrame, facts: SampleFacts) -> NDArray[np.uint8]:
    """Return the upright frame as RGB; its number is black and white in any matrix."""
    frame.colorspace = Colorspace.ITU709
    across, down = facts.reflected
    return np.rot90(frame.to_ndarray(format="rgb24")[::down, ::across], -facts.rotation // 90)


@pytest.mark.parametrize("name", READABLE)
def test_a_full_decode_shows_exactly_the_frames_of_the_facts(
    name: str, sample_media: Callable[[str], SampleFile]
) -> None:
    sample = sample_media(name)
    head = sample.init.read_bytes() if sample.init is not None else b""

    with av.open(
        io.BytesIO(head + sample.path.read_bytes()), "r", metadata_errors="replace"
    ) as container:
        track = max(container.streams.video, key=lambda track: track.frames)
        track.thread_type = "NONE"
        frames = list(container.decode(track))

    facts = sample.facts
    assert [
        frame.pts % (1 << facts.wrap_bits) for frame in frames if frame.pts is not None
    ] == list(facts.pts[facts.hidden :])
    assert [read_mark(upright(frame, facts)) for frame in frames] == list(
        facts.marks[facts.hidden :]
    )
    assert (
        tuple(index for index, frame in enumerate(frames, facts.hidden) if frame.key_frame)
        == facts.keyframes
    )


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("name", PROBED)
def test_ffprobe_reads_the_times_of_the_facts(
    name: str, sample_media: Callable[[str], SampleFile]
) -> None:
    sample = sample_media(name)
    show = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=pts",
        "-of",
        "json",
        str(sample.path),
    ]

    packets = json.loads(subprocess.run(show, capture_output=True, check=True, timeout=20).stdout)[
        "packets"
    ]

    assert sorted(packet["pts"] for packet in packets) == list(sample.facts.pts)


@given(number=st.integers(0, 4095), width=st.integers(64, 400), height=st.integers(64, 400))
def test_the_number_on_a_card_can_be_read_in_any_size(number: int, width: int, height: int) -> None:
    assert read_mark(draw_card(number, width, height)) == number


def test_a_turned_card_bears_no_number() -> None:
    assert [
        read_mark(draw_card(77)[::-1]),
        read_mark(draw_card(77)[:, ::-1]),
        read_mark(draw_card(77)[::-1, ::-1]),
    ] == [None] * 3


@pytest.mark.parametrize("name", ["ts_h264_b_frames", "mp4_hevc", "webm_av1", "gif_moving"])
def test_a_sample_is_the_same_each_time_it_is_made(name: str) -> None:
    assert MAKERS[name]() == MAKERS[name]()


def test_hostile_files_are_the_same_each_time_they_are_made() -> None:
    names = [name for name in HOSTILE if name.startswith("damaged")]

    assert [HOSTILE[name][0]() for name in names] == [HOSTILE[name][0]() for name in names]
