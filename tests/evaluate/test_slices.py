from __future__ import annotations

from math import isnan

from scanner.evaluate.properties import MediaProperties
from scanner.evaluate.slices import FEW, measure_slices, slice_names
from tests.evaluate.build import row, scored

DAY = MediaProperties(luma=120.0, width=640, height=360, container="mp4", codec="h264", still=False)
NIGHT = MediaProperties(
    luma=30.0, width=320, height=180, container="mpegts", codec="h264", still=False
)


def test_a_row_is_in_its_measured_declared_and_object_size_slices() -> None:
    labelled = row("a.mp4", slices=frozenset({"crowd"}), extent=0.04)

    assert list(slice_names(labelled, NIGHT)) == [
        "crowd",
        "object 0% to 5% of the width",
        "dark",
        "low resolution",
        "container mpegts",
    ]
    assert list(slice_names(row("g.mp4", "game_video", "rendered_2d"), DAY)) == [
        "rendered_2d",
        "container mp4",
    ]
    assert list(slice_names(row("whole.jpg", extent=1.0), None)) == [
        "object 27% of the width or more"
    ]


def test_a_slice_has_figures_of_its_own_rows_and_their_flags() -> None:
    guns = [
        scored(row(f"gun {i}", label="1"), flagged=("gun",), gun=0.9 if i % 2 else 0.2)
        for i in range(2 * FEW)
    ]
    none = [scored(row(f"none {i}", label="0"), gun=0.5) for i in range(2 * FEW)]
    footage = {
        one.row.key: (NIGHT if number % 2 else DAY)
        for side in (guns, none)
        for number, one in enumerate(side)
    }

    dark = next(
        one for one in measure_slices([*guns, *none], footage, rounds=20) if one.slice == "dark"
    )

    assert (dark.positives, dark.negatives, dark.groups, dark.few) == (FEW, FEW, 2 * FEW, False)
    assert (dark.auc.value, dark.flagged_positives.value, dark.flagged_negatives.value) == (
        1.0,
        1.0,
        0.0,
    )


def test_a_side_without_rows_in_a_slice_counts_completely() -> None:
    guns = [
        scored(
            row(f"gun {i}", label="1", extent=0.02 if i < FEW else 0.5), gun=0.4 if i < FEW else 0.9
        )
        for i in range(2 * FEW)
    ]
    none = [scored(row(f"none {i}", label="0"), gun=0.5) for i in range(2 * FEW)]

    far, near = measure_slices([*guns, *none], {}, rounds=20)

    assert (far.positives, far.negatives, far.auc.value) == (FEW, 0, 0.0)
    assert near.auc.value == 1.0


def test_too_few_rows_are_counted_without_a_figure() -> None:
    rows = [
        scored(row("gun", label="1", slices=frozenset({"night"})), gun=0.9),
        scored(row("none", label="0"), gun=0.5),
    ]

    (one,) = measure_slices(rows, {}, rounds=20)

    assert (one.few, one.positives) == (True, 1)
    assert isnan(one.auc.value)
    assert isnan(one.flagged_positives.value)


def test_a_slice_with_all_rows_is_left_out() -> None:
    rows = [scored(row("gun", label="1"), gun=0.9), scored(row("none", label="0"), gun=0.5)]

    assert measure_slices(rows, {"gun": DAY, "none": DAY}, rounds=5) == []
