"""The folder of a report: one scan at a time, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.evidence.folder import open_folder

REPORT = '{\n "schema": "streamwarden-report/1"\n}\n'


def report_in(folder: Path, text: str) -> None:
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "a.mp4").write_text(text)
    (folder / "report.json").write_text(REPORT)
    (folder / "report.html").write_text(text)


def test_a_folder_in_use_is_refused_until_it_is_free(tmp_path: Path) -> None:
    with open_folder(tmp_path / "out"):
        with pytest.raises(SetupError, match="another scan"), open_folder(tmp_path / "out"):
            pass
        with open_folder(tmp_path / "other"):
            pass
    with open_folder(tmp_path / "out") as earlier:
        assert earlier is None

    assert [*(tmp_path / "out").iterdir()] == []


def test_each_earlier_report_is_moved_with_its_clips(tmp_path: Path) -> None:
    for number in (1, 2):
        report_in(tmp_path, f"scan {number}")
        with open_folder(tmp_path) as earlier:
            assert earlier == tmp_path / f"earlier-{number}"

    for number in (1, 2):
        folder = tmp_path / f"earlier-{number}"
        assert (folder / "clips" / "a.mp4").read_text() == f"scan {number}"
        assert (folder / "report.html").read_text() == f"scan {number}"
    assert not (tmp_path / "report.json").exists()


def test_files_of_others_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "report.json").write_text('{"schema": "of something else"}')

    with open_folder(tmp_path) as earlier:
        assert earlier is None

    assert {path.name for path in tmp_path.iterdir()} == {"clips", "report.json"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(SetupError, match="file/out: cannot be written to"),
        open_folder(tmp_path / "file" / "out"),
    ):
        pass
