from __future__ import annotations

import pytest

from scanner.errors import SetupError
from scanner.taxonomy import Taxonomy, TaxonomyEntry, uncovered
from scanner.types import Label

TAXONOMY = Taxonomy.load()


def labels(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name) for name in names)


def test_every_label_has_its_group_category_and_severity() -> None:
    assert TAXONOMY.entry("corpse") == TaxonomyEntry(
        label=Label("corpse"),
        group="death_emaciation",
        category="graphic",
        severity=3,
        aws=("Corpses", "Death and Emaciation"),
        hive=("human_corpse",),
    )


def test_the_labels_of_the_first_model_and_the_test_card_are_there() -> None:
    assert all(label in TAXONOMY for label in ("fight", "gun", "fire", "smoke", "test_card"))


def test_it_has_a_version_for_reports() -> None:
    assert TAXONOMY.version == "2"


def test_a_medium_is_no_label() -> None:
    assert "camera" not in TAXONOMY


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("gun", "gun"),
        ("yes_fight", "fight"),
        ("Air Crash", "air_crash"),
        ("middle finger", "rude_gesture"),
    ],
)
def test_a_label_is_found_by_its_own_name_or_by_that_of_aws_or_hive(name: str, label: str) -> None:
    assert TAXONOMY.entry(name).label == label


def test_an_ambiguous_name_is_refused_with_the_choices() -> None:
    with pytest.raises(
        SetupError, match="'Explosions and Blasts' is ambiguous: name one of explosion, fire, smoke"
    ):
        TAXONOMY.entry("Explosions and Blasts")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SetupError, match="'gum' is not in the taxonomy; did you mean 'gun'"):
        TAXONOMY.entry("gum")


@pytest.mark.parametrize(
    ("name", "means"),
    [
        (
            "Weapons",
            labels(
                "gun", "firearm_in_hand", "firearm_not_in_hand", "blade_in_hand", "culinary_knife"
            ),
        ),
        ("hate_symbols", labels("nazi", "white_supremacy", "kkk", "extremist")),
        ("illegal_goods", labels("drugs", "drug_paraphernalia", "injectables")),
        ("knife_in_hand", labels("blade_attack", "blade_in_hand")),
    ],
)
def test_a_wider_name_means_all_of_its_labels(name: str, means: tuple[Label, ...]) -> None:
    assert tuple(entry.label for entry in TAXONOMY.matching(name)) == means


def test_a_label_is_never_taken_for_the_group_of_the_same_name() -> None:
    assert [entry.label for entry in TAXONOMY.matching("fire")] == ["fire"]


def test_what_no_model_covers_is_listed_by_label_and_where_nothing_is_covered_by_category() -> None:
    left = uncovered(TAXONOMY, labels("fight", "gun", "fire", "smoke", "test_card"))

    assert "violence" not in left.categories
    assert "hazard" not in left.categories
    assert "self_harm" in left.categories
    assert {"assault", "cutting", "known_csam"} <= set(left.labels)
    assert not {"fight", "gun", "fire", "smoke", "test_card"} & set(left.labels)


def test_nothing_is_left_when_every_label_has_a_model() -> None:
    left = uncovered(TAXONOMY, TAXONOMY.labels)

    assert (left.categories, left.labels) == ((), ())


def test_a_label_stands_in_one_place_only() -> None:
    twice = (
        "version = '1'\n[a.b.labels]\ngun = { severity = 1 }\n[c.d.labels]\ngun = { severity = 1 }"
    )

    with pytest.raises(ValueError, match="each label once, got gun twice"):
        Taxonomy.parse(twice)


def test_a_severity_over_three_is_refused() -> None:
    with pytest.raises(ValueError, match="severity of gun must be 0 to 3, got 4"):
        Taxonomy.parse("version = '1'\n[a.b.labels]\ngun = { severity = 4 }")
