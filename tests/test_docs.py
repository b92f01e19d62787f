"""The documentation is true: what it names exists, what it shows works, and nothing that an
operator can set is left out."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from scanner.cli.app import _app
from scanner.doctor import Diagnostic
from scanner.media.samples import Sample
from scanner.report import lines
from scanner.risk.policy import Policy
from scanner.scoring.manifest import Manifest
from scanner.scoring.registry import list_models
from scanner.settings.policies import FRAME, compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.types import Scores, Segment, Span

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SAMPLES = sorted((ROOT / "samples").glob("*.toml"))
FOLDERS = ("benchmarks/", "docs/", "models/", "samples/", "scanner/", "tests/", "workers/")
MADE_BY_USERS = ("models/my-model", "models/NAME/", "scanner/risk/ 's")
ANY_COMMAND = frozenset({"-h", "--help", "--install-completion", "--show-completion"})
EVERYWHERE = {f"`{option}`" for option in ANY_COMMAND}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMWARDEN_")]:
        monkeypatch.delenv(name)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [body for said, body in fenced if said == language]


def prose(text: str) -> str:
    """All but the fenced blocks."""
    return re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    """From a heading to the next one of its level or above."""
    level = re.search(rf"^(#+) {re.escape(title)}$", text, flags=re.MULTILINE)
    assert level is not None, f"no heading {title}"
    rest = text[level.end() :]
    following = re.search(rf"^#{{1,{len(level[1])}}} ", rest, flags=re.MULTILINE)
    return rest[: following.start()] if following else rest


def rows(text: str) -> Iterator[list[str]]:
    """Cells of each table row that begins with code."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


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


def plain(value: Any) -> Any:
    """Numbers by their value, whatever type holds them."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return value
    return float(value)


def defaults() -> dict[str, Any]:
    """Every setting but those of policies, by its full name."""
    return {
        name: plain(value) for name, value in _flat(Settings()) if not name.startswith("policy")
    }


def _flat(noun: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    names = [f.name for f in fields(noun)] if is_dataclass(noun) else list(type(noun).model_fields)
    for name in names:
        value = getattr(noun, name)
        if is_dataclass(value) or isinstance(value, BaseModel):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def policy_defaults() -> dict[str, Any]:
    """Every key of a policy, as a scan with default settings has it."""
    policy = Policy(category="none", hold=Settings().sampling.max_gap + FRAME)
    return {
        f.name: None
        if f.default is MISSING and f.name == "category"
        else plain(getattr(policy, f.name))
        for f in fields(Policy)
    }


def told_default(cell: str) -> Any:
    return (
        None
        if cell == "none"
        else plain(tomllib.loads(f"value = {cell}", parse_float=Decimal)["value"])
    )


def _flat_tables(tree: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and f"{before}{name}" not in defaults():
            yield from _flat_tables(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def explained() -> dict[str, Any]:
    """All that the explained file sets, and what it only mentions."""
    text = re.sub(
        r"^# (?=\[[\w.]+\]|\w+ = )", "", read("samples/default-explained.toml"), flags=re.MULTILINE
    )
    tree = tomllib.loads(text, parse_float=Decimal)
    (policy,) = tree.pop("policy").values()
    flat = {
        "window": tree.pop("window"),
        **dict(_flat_tables(tree, "")),
    }
    return {
        name: plain(value)
        for name, value in {
            **flat,
            **{f"policy.{key}": value for key, value in policy.items()},
        }.items()
    }


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

        assert json.loads(lines.dumps(lines.loads(row))) == told
        assert row == json.dumps(told)


def test_every_kind_of_line_is_shown() -> None:
    shown = [
        json.loads(row)["type"]
        for block in blocks(read("docs/command-line.md"), "json")
        for row in block.splitlines()
    ]

    assert sorted(set(shown)) == sorted(
        ["frame", "gap", "opened", "extended", "incident", "error", "skipped", "summary"]
    )


def test_every_setting_is_documented_with_its_default() -> None:
    told = {
        name: told_default(cell)
        for name, cell, *_ in rows(read("docs/configuration.md"))
        if "." in name or name == "window"
    }
    told["window"] = told_default(
        next(
            cell
            for name, cell, *_ in rows(section(read("docs/configuration.md"), "Sampling"))
            if name == "window"
        )
    )

    assert told == defaults()


def test_every_key_of_a_policy_is_documented_with_its_default() -> None:
    told = {
        name: told_default(cell)
        for name, cell, *_ in rows(section(read("docs/configuration.md"), "Policies"))
    }

    assert told == policy_defaults()


def test_the_explained_settings_are_the_defaults() -> None:
    assert read_settings(ROOT / "samples/default-explained.toml") == Settings()


def test_the_explained_settings_leave_nothing_out() -> None:
    expected = {
        **defaults(),
        **{f"policy.{key}": value for key, value in policy_defaults().items()},
    }

    told = explained()

    assert told.keys() == expected.keys()
    assert {name: value for name, value in told.items() if expected[name] is not None} == {
        name: value for name, value in expected.items() if value is not None
    }


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_of_settings_is_accepted(path: Path) -> None:
    settings = read_settings(path)

    assert compose_policies(settings, list_models()).labels


def test_the_strict_settings_are_stricter() -> None:
    manifests = list_models()
    usual, strict = (
        compose_policies(settings, manifests)
        for settings in (Settings(), read_settings(ROOT / "samples/strict.toml"))
    )

    assert strict.max_gap < usual.max_gap
    for label, policy in strict.labels.items():
        before = usual.labels[label]
        assert (policy.open, policy.still, policy.shadow) == (before.open, before.still, False)
        assert policy.hold < policy.dwell < before.dwell or policy.dwell == before.dwell == 0


@every_page
def test_settings_that_are_shown_are_accepted(page: Path) -> None:
    shown = [
        tomllib.loads(block, parse_float=Decimal)
        for block in blocks(page.read_text("utf-8"), "toml")
    ]

    for tree in shown:
        noun = Manifest if "sha256" in tree else Settings
        assert noun(**tree)


@every_page
def test_names_that_examples_import_exist(page: Path) -> None:
    for block in blocks(page.read_text("utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_every_kind_of_error_is_documented_and_no_other() -> None:
    text = section(read("docs/formats.md"), "Kinds of error")
    in_table = {name for name, *_ in rows(text)}
    elsewhere = set(re.findall(r"`([a-z_]+)`", text)) - in_table

    code = kinds_in_the_code()

    assert in_table <= code
    assert code <= in_table | elsewhere


def test_the_rows_of_the_figures_are_those_of_the_pages_that_measure() -> None:
    text = read("docs/figures.md")
    told = [row for row in text.splitlines() if re.fullmatch(r"\|.*\|.*\| \d.*\|", row)]
    pages = (
        "models/streamwarden-frame/README.md",
        "models/streamwarden-clip/README.md",
        "docs/benchmarks.md",
        "docs/evaluation.md",
    )
    measured = [line for page in pages for line in read(page).splitlines()]

    assert told
    assert [row for row in told if not any(line.startswith(row) for line in measured)] == []


def test_the_readme_has_no_figure_that_the_rows_of_the_figures_do_not_have() -> None:
    text = section(read("README.md"), "What is measured, and what is not claimed")
    shown = re.findall(r"\d+\.\d+(?: \[[\d., ]+\])?|below \d+", text)
    rows = [line for line in read("docs/figures.md").splitlines() if line.startswith("|")]

    assert len(shown) == 7
    assert [figure for figure in shown if not any(figure in row for row in rows)] == []


def test_each_kind_of_figure_has_its_line_in_the_readme() -> None:
    text = section(read("README.md"), "What is measured, and what is not claimed")
    kinds = re.findall(r"^## (.+)$", read("docs/figures.md"), flags=re.MULTILINE)

    assert re.findall(r"^- \*\*\[(\w+)\]\(docs/figures\.md#", text, flags=re.MULTILINE) == kinds


def test_what_is_in_shadow_is_told() -> None:
    told = {
        label for _, labels, _ in _models() for label in re.findall(r"(\w+) \(in shadow\)", labels)
    }
    in_readme = re.search(r"^In shadow .*: (.*)\.$", read("README.md"), flags=re.MULTILINE)

    in_shadow = {
        label
        for manifest in list_models()
        for label, facts in manifest.labels.items()
        if facts.policy.shadow
    }

    assert told == in_shadow
    assert in_readme is not None
    assert set(re.findall(r"`(\w+)`", in_readme[1])) == in_shadow


def test_every_model_has_its_row() -> None:
    told = {
        name: set(re.findall(r"\w+", re.sub(r"\(.*?\)|; medium", "", labels)))
        for name, labels, _ in _models()
    }

    assert told == {manifest.name: set(manifest.scored_labels) for manifest in list_models()}


def _models() -> list[tuple[str, str, str]]:
    return re.findall(
        r"^\| ([\w-]+) \| (.+?) \| (\[.+) \|$", read("docs/models.md"), flags=re.MULTILINE
    )


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
