from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from scanner.evaluate.comparisons import ScoredRow
from scanner.evaluate.robustness import measure_robustness, perturbed_versions
from scanner.perturbations.transforms import Perturbation, find_perturbation
from tests.evaluate.build import row, scored

GUNS = [row(f"gun {i}.jpg", label="1") for i in range(4)]
NONE = [row(f"none {i}.jpg", label="0") for i in range(4)]


def scored_rows(change: str, guns: Sequence[float], none: Sequence[float]) -> list[ScoredRow]:
    return [
        scored(of, change, flagged=("gun",) if p > 0.8 else (), gun=p)
        for of, p in zip([*GUNS, *NONE], [*guns, *none], strict=False)
    ]


GOOD = scored_rows("", [0.9, 0.9, 0.9, 0.7], [0.1, 0.2, 0.1, 0.3])
BLIND = scored_rows("dark", [0.5] * 4, [0.5] * 4)


def test_each_change_is_compared_row_by_row_with_the_unchanged_input() -> None:
    original_source, dark = measure_robustness([*GOOD, *BLIND], rounds=20)

    assert (
        original_source.change,
        original_source.auc.value,
        original_source.auc_difference.value,
    ) == ("", 1.0, 0.0)
    assert (dark.change, dark.auc.value, dark.auc_difference.value) == ("dark", 0.5, -0.5)
    assert (original_source.flagged_positives.value, dark.flagged_positives.value) == (0.75, 0.0)


def test_a_difference_that_is_the_same_in_every_group_has_no_width() -> None:
    _, dark = measure_robustness([*GOOD, *BLIND], rounds=50)

    assert dark.auc_difference.low == dark.auc_difference.high == -0.5


def test_a_row_that_a_change_made_unreadable_is_left_out_of_both_sides() -> None:
    _, dark = measure_robustness([*GOOD, *BLIND[1:]], rounds=20)

    assert (dark.positives, dark.negatives) == (3, 4)
    assert not isnan(dark.auc_difference.value)


def test_without_rows_there_are_no_results() -> None:
    assert measure_robustness([]) == []


class FakePerturber:
    """Returns its arguments in place of media."""

    def perturb(
        self,
        source: Path,
        changes: Sequence[Perturbation],
        *,
        seed: int,
        others: Sequence[Path] = (),
    ) -> Mapping[str, bytes]:
        return {
            change.name: f"{source.name} {seed} {sorted(other.name for other in others)}".encode()
            for change in changes
        }


def test_versions_of_a_row_are_reproducible_and_show_only_harmless_rows() -> None:
    harmless = [row(f"b{i}.jpg", "benign", "n01440764_tench") for i in range(5)]
    armed = row("armed.jpg", "benign", "n04090263_rifle")
    make = [
        perturbed_versions(
            FakePerturber(), [find_perturbation("mirror")], [*GUNS, armed, *harmless], seed=seed
        )
        for seed in (1, 1, 2)
    ]

    one, same, other = (versions(GUNS[0]) for versions in make)

    assert one == same != other
    assert one[""] == GUNS[0].path
    assert b"gun 0.jpg" in one["mirror"]
    assert one["mirror"].count(b"b") >= 3
    assert b"armed" not in one["mirror"]
