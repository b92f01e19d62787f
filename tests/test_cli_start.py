"""A start of the command line loads what it needs, and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import typer

from scanner.cli.app import COMMANDS, _app, run


def loaded_by(*arguments: str) -> set[str]:
    """Return the names of all modules that a fresh process has after this command."""
    code = (
        "import sys\nfrom scanner.cli.app import run\n"
        f"run({list(arguments)!r})\nprint(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


def test_the_help_of_the_program_loads_no_command_and_no_library_but_typer() -> None:
    modules = loaded_by("--help")

    commands = {command.target.partition(":")[0] for command in COMMANDS.values()}
    assert not modules & {*commands, "rich", "pydantic", "numpy", "scanner.compose"}


def test_loading_the_command_scan_loads_no_template_engine_http_client_or_terminal() -> None:
    modules = loaded_by("scan", "--help")

    assert "onnxruntime" in modules
    assert not modules & {"jinja2", "markupsafe", "httpx", "ssl", "rich", "pydantic_settings"}


def test_each_summary_is_the_first_line_of_its_commands_help() -> None:
    program: Any = typer.main.get_command(_app())

    first = {
        name: (command.help or "").partition("\n\n")[0]
        for name, command in program.commands.items()
    }
    assert {name: " ".join(text.split()) for name, text in first.items()} == {
        name: command.summary for name, command in COMMANDS.items()
    }


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])

    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert re.findall(r"^  (\w+) ", listed, flags=re.MULTILINE) == list(COMMANDS)
