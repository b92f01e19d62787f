"""Paths become streams: segments in order, with what is known of them, and an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scanner.cli.submit import wait_with_message
from scanner.client.submit import StreamSubmission, stream_name, submit
from scanner.errors import FormatError, InputError
from scanner.media.segmenting import CutSegment
from scanner.sandbox.limits import SandboxLimits
from scanner.sources.limits import FetchLimits


@dataclass
class FakeSender:
    """Records what is sent."""

    calls: list[tuple[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)

    def put_stream(self, stream_id: str, **facts: Any) -> str:
        self.calls.append(("stream", facts["first_sequence"]))
        return "accepted"

    def put_init(self, stream_id: str, init_id: str, data: bytes, **_: Any) -> str:
        self.calls.append(("init", init_id))
        return "accepted"

    def put_segment(self, stream_id: str, sequence: int, data: bytes, **facts: Any) -> str:
        self.calls.append(("segment", sequence))
        self.segments.append({"sequence": sequence, "data": data, **facts})
        return "accepted"

    def end_stream(self, stream_id: str, last_sequence: int) -> str:
        self.calls.append(("end", last_sequence))
        return "accepted"


def send(path: Path, **options: Any) -> FakeSender:
    sender: Any = FakeSender()
    submission = StreamSubmission(path=str(path), stream_id="s", **options)
    submit(submission, sender, fetch=FetchLimits(), sandbox=SandboxLimits(), wait=lambda _: None)
    return sender  # type: ignore[no-any-return]


def test_a_playlist_is_sent_with_its_durations_and_its_end(demo_media: Path) -> None:
    sent = send(demo_media / "test-card" / "index.m3u8")
    files = sorted((demo_media / "test-card").glob("*.ts"))
    assert [one["data"] for one in sent.segments] == [path.read_bytes() for path in files]
    assert all(one["duration"] for one in sent.segments)
    assert sent.calls[0] == ("stream", 0)
    assert sent.calls[-1] == ("end", len(files) - 1)


def test_a_folder_of_segments_is_one_stream_in_natural_order(
    demo_media: Path, tmp_path: Path
) -> None:
    (source, *_) = sorted((demo_media / "test-card").glob("*.ts"))
    for number in (10, 9, 2):
        (tmp_path / f"seg{number}.ts").write_bytes(source.read_bytes() + bytes([number]))
    assert [one["data"][-1] for one in send(tmp_path).segments] == [2, 9, 10]


def test_a_file_is_cut_into_segments_of_its_own_length(demo_media: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.ts"
    files = sorted((demo_media / "test-card").glob("*.ts"))
    card.write_bytes(b"".join(path.read_bytes() for path in files))
    sent = send(card, segment_seconds=Fraction(2))
    assert len(sent.segments) > 2
    assert all(one["data"][0] == 0x47 for one in sent.segments)
    assert sum(one["duration"] for one in sent.segments) == pytest.approx(18, abs=1)


def test_a_file_that_segments_cannot_carry_is_refused(tmp_path: Path) -> None:
    animation = tmp_path / "moving.gif"
    first, *others = (Image.new("P", (32, 32), color) for color in range(4))
    first.save(animation, save_all=True, append_images=others, duration=100)
    with pytest.raises(FormatError, match="does not carry"):
        send(animation)


def test_an_empty_folder_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to submit"):
        send(tmp_path)


@pytest.mark.parametrize("row", [None, [], [0, 0, [1, 1]], [-1, 5, [1, 1]], [0, "5", [1, 1]]])
def test_what_a_child_reports_of_segments_is_checked(row: object) -> None:
    with pytest.raises(ValueError, match=r"segment|integers|unpack"):
        CutSegment.from_json(row)


def test_names_of_streams_need_no_escaping() -> None:
    assert stream_name("/a b/ü?.mp4", 0.0) == "stream-19700101T000000"


def test_the_first_wait_for_a_service_that_does_not_answer_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits: list[float] = []
    wait = wait_with_message("http://127.0.0.1:9", waits.append)
    wait(1.0)
    wait(2.0)

    assert waits == [1.0, 2.0]
    told = capsys.readouterr().err
    assert told.count("http://127.0.0.1:9: does not answer") == 1
    assert "streamwarden serve" in told
