"""Figures and models that the documentation names are those that were measured and are shipped."""

from __future__ import annotations

import re

from scanner.scoring.registry import list_models
from tests.pages import read, section


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

    in_shadow = {label for manifest in list_models() for label in manifest.shadow}

    assert told == in_shadow
    assert _labels_of_line(r"^In shadow \(.*?\): (.*)\.$") == in_shadow


def test_what_is_live_for_still_pictures_only_is_told() -> None:
    told = {
        label
        for _, labels, _ in _models()
        for label in re.findall(r"(\w+) \(in shadow but for stills\)", labels)
    }

    stills_only = {
        label
        for manifest in list_models()
        for label, facts in manifest.labels.items()
        if facts.policy.shadow and facts.policy.delivers
    }

    assert told == stills_only
    assert _labels_of_line(r"^In shadow in streams.*?: (.*?)\. ") == stills_only


def test_every_model_has_its_row() -> None:
    told = {
        name: set(re.findall(r"\w+", re.sub(r"\(.*?\)|; medium", "", labels)))
        for name, labels, _ in _models()
    }

    assert told == {manifest.name: set(manifest.scored_labels) for manifest in list_models()}


def _labels_of_line(pattern: str) -> set[str]:
    found = re.search(pattern, read("README.md"), flags=re.MULTILINE)
    return set() if found is None else set(re.findall(r"`(\w+)`", found[1]))


def _models() -> list[tuple[str, str, str]]:
    return re.findall(
        r"^\| ([\w-]+) \| (.+?) \| (\[.+) \|$", read("docs/models.md"), flags=re.MULTILINE
    )
