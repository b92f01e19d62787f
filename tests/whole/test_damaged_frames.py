"""A damaged picture is recorded with its mark, and counts nowhere."""

from __future__ import annotations

import pytest

from scanner.compose import compose, scan_paths
from scanner.pipeline.replay import fold, inputs_of_lines
from scanner.report.line_text import dumps, loads
from scanner.report.lines import DamagedLine, FrameLine, GapLine, Line, SummaryLine
from scanner.settings.sections import ModelSettings, Settings
from tests.media.damage import damaged

CARD_ONLY = Settings(models=ModelSettings(names=()))
BROKEN = (2, 3, 6)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    file = tmp_path_factory.mktemp("damaged") / "clip.mkv"
    file.write_bytes(damaged(BROKEN))
    return list(scan_paths([file], CARD_ONLY))


def test_the_score_of_a_damaged_picture_is_recorded_with_its_mark(lines: list[Line]) -> None:
    found = [line for line in lines if isinstance(line, DamagedLine)]

    assert [line.at for line in found] == [float(second) for second in BROKEN]
    assert all("test_card" in line.scores and line.models for line in found)


def test_a_damaged_picture_is_no_look_and_no_frame(lines: list[Line]) -> None:
    frames = [line.at for line in lines if isinstance(line, FrameLine)]
    gaps = [(line.start, line.end, line.reason) for line in lines if isinstance(line, GapLine)]
    (summary,) = (line for line in lines if isinstance(line, SummaryLine))

    assert not {2.0, 3.0, 6.0} & {*frames}
    assert gaps == [(2.0, 4.0, "undecodable"), (6.0, 7.0, "undecodable")]
    assert summary.frames == len(frames)
    assert summary.coverage == pytest.approx(5 / 8, abs=0.01)


def test_replay_reads_the_lines_of_damaged_pictures_and_folds_none(lines: list[Line]) -> None:
    read = [loads(dumps(line)) for line in lines]
    without = [line for line in read if not isinstance(line, DamagedLine)]
    policies = compose(CARD_ONLY).policies

    assert len(without) == len(read) - len(BROKEN)
    assert inputs_of_lines(read) == inputs_of_lines(without)
    assert fold(inputs_of_lines(read), policies) == fold(inputs_of_lines(without), policies)
