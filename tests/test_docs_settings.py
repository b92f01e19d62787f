"""Nothing that an operator can set is left out of the documentation, and its values are true."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from scanner.bench.shape import ServiceShape
from scanner.risk.policy import Policy
from scanner.scoring.manifest import Manifest
from scanner.scoring.registry import list_models
from scanner.settings.policies import FRAME, compose_policies
from scanner.settings.sections import Settings, read_settings
from tests.pages import ROOT, blocks, every_page, read, rows, section

SAMPLES = sorted((ROOT / "samples").glob("*.toml"))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMWARDEN_")]:
        monkeypatch.delenv(name)


def plain(value: Any) -> Any:
    """Numbers by their value, whatever type holds them."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return value
    return float(value)


def defaults() -> dict[str, Any]:
    """Every setting but those of policies, by its full name."""
    own_sections = ("policy", "channels")
    return {
        name: plain(value) for name, value in _flat(Settings()) if not name.startswith(own_sections)
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
    """Return the settings that the explained file sets, and those that it only mentions."""
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
    found, expected = read_settings(ROOT / "samples/default-explained.toml"), Settings()
    different = [
        name for name in Settings.model_fields if getattr(found, name) != getattr(expected, name)
    ]
    assert different == []


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
        nouns = {"sha256": Manifest, "groups": ServiceShape}
        noun = next((noun for key, noun in nouns.items() if key in tree), Settings)
        assert noun(**tree)
