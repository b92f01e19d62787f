from __future__ import annotations

from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.evaluate.rows import LabelledRow, read_manifests, read_rows


def read(folder: Path, text: str) -> list[LabelledRow]:
    (folder / "manifest.csv").write_text(text)
    return read_rows(folder / "manifest.csv")


def test_a_manifest_without_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no column group"):
        read(tmp_path, "path,task,label\n")


def test_a_row_has_the_words_of_its_slice_column(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "path,task,label,group,slice\na.mp4,fire,fire,a,night; crowded;\n")

    assert row.slices == {"night", "crowded"}
    assert (row.name, row.path) == ("a.mp4", tmp_path / "a.mp4")


def test_the_object_size_comes_from_a_column_or_from_boxes_beside_the_picture(
    tmp_path: Path,
) -> None:
    (tmp_path / "b.txt").write_text("0 0.5 0.5 0.1 0.3\n0 0.2 0.2 0.25 0.1\n")
    (tmp_path / "c.txt").write_text("no boxes, a note\n")
    table = (
        "path,task,label,group,extent\na.jpg,weapon,1,a,0.4\nb.jpg,weapon,1,a,\nc.jpg,weapon,1,a,\n"
    )

    assert [row.extent for row in read(tmp_path, table)] == [0.4, 0.25, None]


def test_an_object_size_that_is_no_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"extent of a\.jpg is '40'"):
        read(tmp_path, "path,task,label,group,extent\na.jpg,weapon,1,a,40\n")


def test_the_collection_is_the_first_word_of_the_source(tmp_path: Path) -> None:
    table = "path,task,label,group,source\na.mp4,fire,fire,a,someone/fires@1a2b | at night\n"

    assert [row.origin for row in read(tmp_path, table)] == ["someone/fires"]


def test_names_of_several_manifests_begin_with_their_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").write_text("path,task,label,group\na.mp4,fire,fire,g\n")
    manifests = [tmp_path / name / "manifest.csv" for name in ("one", "two")]

    rows = read_manifests(manifests)

    assert [(row.name, row.group) for row in rows] == [
        ("one/a.mp4", "one/g"),
        ("two/a.mp4", "two/g"),
    ]
    with pytest.raises(SetupError, match="different names"):
        read_manifests([manifests[0], manifests[0]])
