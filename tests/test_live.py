"""What the demonstration plays: all that a scan reads, cut into segments that can be decoded."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from samples.facts import SampleFile
from samples.live import cut_into_segments, is_still, list_media
from samples.make_media import make_demo_media
from scanner.errors import FormatError
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.types import FileBeneath, FrameSpec


@pytest.mark.parametrize(
    "name",
    [
        *("mp4_h264_b_frames", "mkv_h264_b_frames", "webm_vp9", "ts_h264", "flv_h264_b_frames"),
        *("avi_mjpeg", "mkv_not_utf_8", "gif_moving", "webp_moving"),
    ],
)
def test_every_segment_of_a_file_that_was_cut_can_be_decoded(
    name: str, sample_media: Callable[[str], SampleFile], tmp_path: Path
) -> None:
    playlist = cut_into_segments(sample_media(name).path, tmp_path / "cut")

    request = DecodeRequest(specs=(FrameSpec(width=32, height=32),), window=None)
    for piece in follow_playlist(playlist, FetchLimits()):
        assert isinstance(piece.source, FileBeneath)
        with piece.source.path.open("rb") as file:
            (window,) = decode_windows(file, request, name=piece.name)
        assert window.samples
        assert window.unseen == ()


def test_a_file_without_pictures_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no film")

    with pytest.raises(FormatError, match=r"bad\.mp4: begins with \"no film\""):
        cut_into_segments(tmp_path / "bad.mp4", tmp_path / "cut")


def test_a_folder_is_what_a_scan_reads_of_it_and_what_is_left_out_is_named(
    sample_media: Callable[[str], SampleFile], tmp_path: Path
) -> None:
    given = ("flv_h264_b_frames", "gif", "gif_moving")
    for name in given:
        path = sample_media(name).path
        shutil.copyfile(path, tmp_path / path.name)
    make_demo_media(tmp_path / "demo", 4)
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "bad.m3u8").write_text("no playlist")
    os.utime(tmp_path / "bad.m3u8", (0, 0))

    found, left_out = list_media(tmp_path)

    names = {name for name in found if not name.startswith("demo/")}
    assert names == {sample_media(name).path.name for name in given}
    assert all(name.endswith(".m3u8") for name in found if name.startswith("demo/"))
    assert [is_still(found[name]) for name in sorted(names)] == [False, True, False]
    assert len(left_out) == 2
    assert "bad.m3u8: not a playlist" in left_out[0]
    assert left_out[1].endswith("notes.txt: not named as media")


@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demonstration_that_is_ended_leaves_no_service(
    number: signal.Signals, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "samples.play", "--workers", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as playing:
        assert playing.stderr is not None
        assert any("The service listens" in line for line in playing.stderr)
        started = psutil.Process(playing.pid).children(recursive=True)
        playing.send_signal(number)
        status = playing.wait(60)

    assert started
    assert status == 130
    assert psutil.wait_procs(started, timeout=60)[1] == []
