from __future__ import annotations

from pathlib import Path

import pytest

from scanner.errors import SetupError
from scanner.evaluate.folds import read_fold_models, split_by_fold
from scanner.evaluate.rows import LabelledRow
from scanner.settings.sections import Settings
from tests.scoring.build_onnx import tiny


def row(name: str, group: str = "g") -> LabelledRow:
    return LabelledRow(
        path=Path("/footage", name), task="weapon", label="1", group=group, name=name
    )


def folds(folder: Path, table: str, model: str = "small", count: int = 2) -> Path:
    folder.mkdir()
    (folder / "folds.csv").write_text("path,fold\n" + table)
    for fold in range(count):
        tiny(folder / f"fold-{fold}" / model)
    return folder


def test_each_row_is_scored_by_models_that_were_not_trained_on_it(tmp_path: Path) -> None:
    models = read_fold_models(folds(tmp_path / "f", "a.jpg,1\nb.jpg,0\n"))

    found = [
        (
            [row.name for row in share.rows],
            (share.settings.models.dir or Path()).joinpath("small").resolve().parent.name,
        )
        for share in split_by_fold([row("a.jpg", "a"), row("b.jpg", "b")], Settings(), [models])
    ]

    assert found == [(["b.jpg"], "fold-0"), (["a.jpg"], "fold-1")]


def test_a_row_that_the_table_does_not_name_has_the_fold_of_its_group(tmp_path: Path) -> None:
    models = read_fold_models(folds(tmp_path / "f", "a.jpg,1\nb.jpg,0\n"))
    rows = [row("a.jpg", "a"), row("b.jpg", "b"), row("new.jpg", "a")]

    of_fold = [
        {row.name for row in share.rows} for share in split_by_fold(rows, Settings(), [models])
    ]

    assert of_fold == [{"b.jpg"}, {"a.jpg", "new.jpg"}]


def test_unknown_groups_are_assigned_whole_and_reproducibly(
    tmp_path: Path,
) -> None:
    models = read_fold_models(folds(tmp_path / "f", "a.jpg,1\nb.jpg,0\n"))
    rows = [row(f"{i}.jpg", f"group {i // 2}") for i in range(40)]

    first, again = (
        [share.rows for share in split_by_fold(rows, Settings(), [models])] for _ in range(2)
    )

    assert first == again
    assert len(first) == 2
    assert not {one.group for one in first[0]} & {one.group for one in first[1]}


def test_two_sets_of_fold_models_score_together(tmp_path: Path) -> None:
    frames = read_fold_models(folds(tmp_path / "frames", "a.jpg,0\nb.jpg,1\n", "frames"))
    clips = read_fold_models(folds(tmp_path / "clips", "a.jpg,1\nb.jpg,1\n", "clips"))

    found = {
        share.rows[0].name: sorted(
            path.resolve().parent.name for path in (share.settings.models.dir or Path()).iterdir()
        )
        for share in split_by_fold(
            [row("a.jpg", "a"), row("b.jpg", "b")], Settings(), [frames, clips]
        )
    }

    assert found == {"a.jpg": ["fold-0", "fold-1"], "b.jpg": ["fold-1", "fold-1"]}


def test_without_fold_models_the_settings_hold_for_all() -> None:
    (share,) = split_by_fold([row("a.jpg")], Settings())

    assert share.settings == Settings()


@pytest.mark.parametrize(
    ("table", "wanted"),
    [("a.jpg,7\n", "no fold-7"), ("a.jpg,x\n", "cannot be read"), ("", "no rows")],
)
def test_a_table_that_does_not_fit_the_models_is_refused(
    tmp_path: Path, table: str, wanted: str
) -> None:
    with pytest.raises(SetupError, match=wanted):
        read_fold_models(folds(tmp_path / "f", table, count=0))
