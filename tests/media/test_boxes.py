"""The boxes of an MP4 file are read whatever they declare."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.make_hostile import HOSTILE
from samples.mp4_boxes import box
from scanner.media.boxes import BoxFacts, read_boxes

TRACKS = box(b"moov", box(b"hdlr", bytes(8) + b"vide" + bytes(12)))
ENDLESS = b"\0\0\0\1mdat\xff\xff\xff\xff\xff\xff\xff\xff"


@pytest.mark.parametrize("name", [one for one in HOSTILE if one.endswith((".mp4", ".m4s"))])
def test_hostile_boxes_end_the_search_and_nothing_else(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(HOSTILE[name][0]())
    assert isinstance(read_boxes(file), BoxFacts)


def test_what_comes_before_a_box_that_no_file_can_hold_is_known(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(TRACKS + ENDLESS)
    assert read_boxes(file) == BoxFacts(
        has_tracks=True, has_media=True, is_last=False, is_video=True
    )
