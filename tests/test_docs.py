"""The documentation is true: what it names exists, and what it shows works."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from scanner.cli.app import _app
from scanner.doctor import Diagnostic
from scanner.media.samples import Sample
from scanner.report import line_text
from scanner.risk.policy import Policy
from scanner.scoring.manifest import Manifest
from scanner.types import Scores, Segment, Span
from tests.pages import ROOT, blocks, every_page, prose, read, rows, section

FOLDERS = ("benchmarks/", "docs/", "models/", "samples/", "scanner/", "tests/", "workers/")
MADE_BY_USERS = ("models/my-model", "models/NAME/", "scanner/risk/ 's")
ANY_COMMAND = frozenset({"-h", "--help", "--install-completion", "--show-completion"})
EVERYWHERE = {f"`{option}`" for option in ANY_COMMAND}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMWARDEN_")]:
        monkeypatch.delenv(name)


def commands(text: str) -> Iterator[list[str]]:
    """Words of each ``streamwarden`` command line, in blocks and in running text."""
    spans = [line for block in blocks(text) for line in block.splitlines()]
    spans += re.findall(r"`(streamwarden\s[^`]+)`", prose(text))
    for span in spans:
        for part in span.split(" | "):
            found = re.match(r"(?:[A-Z_]+=\S+ )*streamwarden\b(.*)", part.strip(), flags=re.DOTALL)
            if found is not None:
                yield shlex.split(found[1].replace("[OPTIONS]", ""), comments=True)


def resolved(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words after it."""
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")}


@cache
def program() -> Any:
    return typer.main.get_command(_app())


def kinds_in_the_code() -> set[str]:
    """Every ``kind`` that an error of ours is made with, and every one that its class has."""
    found = set()
    for path in [*(ROOT / "scanner").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                found |= {
                    a.value.value
                    for a in node.body
                    if isinstance(a, ast.Assign)
                    and _names_kind(a)
                    and isinstance(a.value, ast.Constant)
                }
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
                found |= {
                    k.value.value
                    for k in node.keywords
                    if k.arg == "kind" and isinstance(k.value, ast.Constant)
                }
    return {kind for kind in found if isinstance(kind, str)}


def _names_kind(assign: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "kind" for target in assign.targets)


def slugs(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    for words in commands(page.read_text("utf-8")):
        command, rest = resolved(program(), words)

        shown = {word.split("=")[0] for word in rest if word.startswith("-") and word != "-"}
        assert shown <= options(command) | ANY_COMMAND, f"streamwarden {shlex.join(words)}"


@pytest.mark.parametrize("name", list(program().commands))
def test_every_command_has_a_section_that_tells_all_its_options(name: str) -> None:
    command = program().commands[name]
    leaves = getattr(command, "commands", {"": command})

    told = section(read("docs/command-line.md"), name)

    assert all(f"`streamwarden {name} {leaf}".strip() in told for leaf in leaves)
    assert {f"`{option}`" for leaf in leaves.values() for option in options(leaf)} <= set(
        re.findall(r"`-[^`]+`", told)
    ) | {
        "`--help`",
        "`-h`",
    }


def test_the_options_before_a_command_are_told() -> None:
    assert {f"`{option}`" for option in options(program())} <= set(
        re.findall(r"`-[^` ]+`", read("docs/command-line.md"))
    ) | EVERYWHERE


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        if "://" in name or name.startswith("mailto:"):
            continue
        file = (page.parent / name) if name else page

        assert file.exists(), target
        assert not anchor or anchor in slugs(file.read_text("utf-8")), target


@every_page
def test_every_file_of_the_repository_that_is_named_is_there(page: Path) -> None:
    for name in re.findall(r"`([\w./-]+)`", page.read_text("utf-8")):
        if name.startswith(FOLDERS) and not name.startswith(MADE_BY_USERS):
            assert (ROOT / name).exists(), name


@every_page
def test_every_make_target_that_is_shown_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE))

    assert set(
        re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", page.read_text("utf-8"), flags=re.MULTILINE)
    ) <= {pair for target in targets for pair in ((target, ""), ("", target))}


@every_page
def test_every_line_that_is_shown_is_one_that_the_program_says(page: Path) -> None:
    for row in (
        row for block in blocks(page.read_text("utf-8"), "json") for row in block.splitlines()
    ):
        told = json.loads(row)
        if told["type"] == "finding":
            assert list(told) == ["type", *(f.name for f in fields(Diagnostic))]
            continue

        assert json.loads(line_text.dumps(line_text.loads(row))) == told
        assert row == json.dumps(told)


def test_every_kind_of_line_is_shown() -> None:
    shown = [
        json.loads(row)["type"]
        for block in blocks(read("docs/command-line.md"), "json")
        for row in block.splitlines()
    ]

    assert sorted(set(shown)) == sorted(
        ["frame", "damaged", "gap", "opened", "extended", "incident", "error", "skipped", "summary"]
    )


@every_page
def test_names_that_examples_import_exist(page: Path) -> None:
    for block in blocks(page.read_text("utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_every_failure_names_a_test_that_exists() -> None:
    named = re.findall(
        r"`(tests/[\w/]+\.py)::(test_\w+)`", section(read("docs/service.md"), "Failures")
    )
    assert len(named) > 30
    for file, name in named:
        assert f"def {name}(" in read(file), f"{file} has no {name}"


def test_every_kind_of_error_is_documented_and_no_other() -> None:
    text = section(read("docs/formats.md"), "Kinds of error")
    in_table = {name for name, *_ in rows(text)}
    elsewhere = set(re.findall(r"`([a-z_]+)`", text)) - in_table

    code = kinds_in_the_code()

    assert in_table <= code
    assert code <= in_table | elsewhere


def test_every_word_of_the_glossary_has_one_meaning() -> None:
    words = [
        word.casefold()
        for word in re.findall(r"^\*\*(.+?)\*\* –", read("docs/glossary.md"), flags=re.MULTILINE)
    ]

    assert len(words) == len(set(words))
    assert {
        noun.__name__.casefold().removesuffix("s")
        for noun in (Segment, Sample, Scores, Span, Policy, Manifest)
    } <= set(words)


def test_the_map_of_modules_is_the_contract() -> None:
    contracts: list[Mapping[str, Any]] = tomllib.loads(read("pyproject.toml"))["tool"][
        "importlinter"
    ]["contracts"]
    inside = next(contract for contract in contracts if "containers" in contract)
    drawn = blocks(section(read("docs/architecture.md"), "Modules"))[0].splitlines()

    assert [re.split(r" {2,}", row)[0].replace("scanner.", "") for row in drawn] == [
        "workers",
        *(re.sub("[()]", "", layer) for layer in inside["layers"]),
    ]


def test_every_dependency_has_its_line_and_licence() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *project["optional-dependencies"]["train"],
    ]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in wanted}

    told = {
        cells[0]: cells[1]
        for line in read("docs/decisions/0001-dependencies.md").splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 3
    }

    assert names <= told.keys()
    assert told.keys() - names == {"distribution", "---"}
