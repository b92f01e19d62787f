from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest

from scanner.errors import FormatError
from scanner.report.line_text import dumps, loads
from scanner.report.lines import (
    DamagedLine,
    ErrorLine,
    FrameLine,
    GapLine,
    IncidentLine,
    Line,
    OpenIncidentLine,
    SummaryLine,
)

LINES: list[Line] = [
    FrameLine(
        path="a",
        sequence=0,
        at=0.5,
        pts=45000,
        time_base="1/90000",
        scores={"gun": 0.5},
        medium={"camera": 1.0},
        models=("m@1",),
    ),
    GapLine(path="a", start=1.0, end=2.0, reason="missing"),
    IncidentLine(
        path="a",
        id="0f",
        label="gun",
        labels=("gun", "fire"),
        category="violence",
        severity=3,
        start=0,
        opened=1,
        end=2,
        peak=0.9,
        clip="c",
    ),
    OpenIncidentLine(
        type="extended",
        path="a",
        stream_id="s",
        id="0f",
        revision=2,
        label="gun",
        labels=("gun",),
        category="violence",
        severity=3,
        start=0.0,
        opened=1.0,
        at=31.0,
        peak=0.9,
        shadow=True,
    ),
    ErrorLine(path="ä\u202e", kind="damaged", message="torn"),
    SummaryLine(
        path="a",
        duration=2.0,
        frames=1,
        medium={},
        coverage=0.5,
        peak_risk={},
        peak_level={"gun": None},
        peak_score={},
        flagged=("gun",),
    ),
    DamagedLine(
        path="a",
        sequence=0,
        at=1.0,
        pts=90000,
        time_base="1/90000",
        scores={"gun": 0.5},
        medium={},
        models=("m@1",),
    ),
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.type)
def test_a_line_is_read_as_it_was_written(line: Line) -> None:
    assert loads(dumps(line)) == line


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.type)
def test_a_line_says_its_type_first(line: Line) -> None:
    assert next(iter(json.loads(dumps(line)))) == "type"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.type)
def test_a_line_keeps_to_its_schema(line: Line) -> None:
    schema = json.loads(files("scanner.report").joinpath("lines.schema.json").read_text("utf-8"))

    jsonschema.validate(json.loads(dumps(line)), schema)


NAMES = [
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "a\nb\u2028c\x85d",
    "\udcff\udcfe not UTF-8",
    "\ud800",
    "影像",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_line_is_one_line_of_ascii_whatever_the_path_is_called(name: str) -> None:
    line = ErrorLine(path=name, kind="damaged", message=f"{name}: torn")

    text = dumps(line)

    assert text.isascii()
    assert text.isprintable()
    assert loads(text) == line


def test_keys_of_a_later_version_are_passed_over() -> None:
    text = json.dumps({**json.loads(dumps(LINES[1])), "new": 1})

    assert loads(text) == LINES[1]


@pytest.mark.parametrize("text", ["", "[]", "1", "{", '{"type": "no"}', '{"type": "gap"}', "null"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        loads(text)


BURST = FrameLine(
    path="a",
    sequence=0,
    at=1.5,
    pts=135000,
    time_base="1/90000",
    scores={"fight": 0.5},
    medium={},
    models=("clip@1",),
    burst={"frames": 8, "rate": 5, "start": 0.1},
    superseded={"gun": 0.25},
    shadow={"clip@1": {"fire": 0.5}},
)


def test_what_belongs_to_bursts_is_said_only_where_there_is_something_to_say() -> None:
    assert loads(dumps(BURST)) == BURST
    assert {"burst", "superseded", "shadow"} <= json.loads(dumps(BURST)).keys()
    assert not {"burst", "superseded", "shadow"} & json.loads(dumps(LINES[0])).keys()
    assert json.loads(dumps(LINES[2]))["shadow"] is False
