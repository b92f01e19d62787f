"""A file that is cut into live segments can be decoded segment by segment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from samples.facts import SampleFile
from samples.live import cut_into_segments
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.types import FrameSpec


@pytest.mark.parametrize("name", ["mp4_h264_b_frames", "mkv_h264_b_frames", "webm_vp9", "ts_h264"])
def test_every_segment_of_a_file_that_was_cut_can_be_decoded(
    name: str, sample_media: Callable[[str], SampleFile], tmp_path: Path
) -> None:
    sample = sample_media(name)
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / sample.path.name).write_bytes(sample.path.read_bytes())

    (playlist,) = cut_into_segments(folder, tmp_path / "cut").values()

    request = DecodeRequest(specs=(FrameSpec(width=32, height=32),), window=None)
    for piece in follow_playlist(playlist, FetchLimits()):
        assert isinstance(piece.source, Path)
        with piece.source.open("rb") as file:
            (window,) = decode_windows(file, request, name=piece.name)
        assert window.samples
        assert window.unseen == ()


def test_a_file_that_cannot_be_read_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_text("no film")

    assert cut_into_segments(tmp_path, tmp_path / "cut") == {}
    assert "bad.mp4" in capsys.readouterr().out
