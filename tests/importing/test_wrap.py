"""Somebody's graph behind our input and output says what a computation by hand says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, load_from_string

from scanner.errors import SetupError
from scanner.importing.wrap import Wrapped, fix_batch, wrap
from scanner.scoring.golden import generate_pictures
from scanner.scoring.graph_run import run_graph
from scanner.types import FrameSpec
from tests.importing.build import SIDE, by_hand, mapper, network, recipe, sigmoid, softmax

DRAWN = np.stack(generate_pictures(FrameSpec(width=8, height=8), seed=3, count=4))[:, :SIDE, :SIDE]
NORMAL: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": ("0.229", "0.224", "0.225")}


def rows(wrapped: Wrapped) -> NDArray[np.float32]:
    return run_graph(wrapped.model, DRAWN, provider="cpu").rows


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "arithmetic", [{}, NORMAL, {"scale": 1, "mean": (104, 117, 123), "std": (58, 57, 57)}]
)
@pytest.mark.parametrize("opset", [9, 17])
def test_layout_colour_and_arithmetic_are_those_of_the_recipe(
    layout: str, colour: str, arithmetic: dict[str, Any], opset: int
) -> None:
    made = recipe(colour=colour, **arithmetic)

    said = rows(wrap(network(layout=layout, opset=opset).SerializeToString(), made, name="x"))

    expected = [softmax(by_hand(picture, made))[1:] for picture in DRAWN]
    assert said == pytest.approx(np.array(expected), abs=1e-5)


def test_an_activation_is_applied_before_columns_are_chosen() -> None:
    network_bytes, labels = network().SerializeToString(), {"gun": {"columns": ["a"]}}

    of_softmax = rows(wrap(network_bytes, recipe(labels=labels), name="x"))
    of_sigmoid = rows(wrap(network_bytes, recipe(labels=labels, activation="sigmoid"), name="x"))

    raw = [by_hand(picture, recipe()) for picture in DRAWN]
    assert of_softmax == pytest.approx(np.array([softmax(row)[:1] for row in raw]), abs=1e-5)
    assert of_sigmoid == pytest.approx(np.array([sigmoid(row)[:1] for row in raw]), abs=1e-5)


def test_columns_of_one_label_are_added_or_the_highest_is_taken() -> None:
    network_bytes, labels = network().SerializeToString(), {"gun": {"columns": ["a", "c"]}}

    added = rows(wrap(network_bytes, recipe(labels=labels, combine="sum"), name="x"))
    highest = rows(wrap(network_bytes, recipe(labels=labels, combine="max"), name="x"))

    shares = np.array([softmax(by_hand(picture, recipe())) for picture in DRAWN])
    assert added[:, 0] == pytest.approx(shares[:, 0] + shares[:, 2], abs=1e-5)
    assert highest[:, 0] == pytest.approx(np.maximum(shares[:, 0], shares[:, 2]), abs=1e-5)


LINES: dict[str, Any] = {"above": 0.5, "cell": 2, "thickest": 3, "half": 0.05, "steepness": 2.0}
OF_MAP: dict[str, Any] = {
    "width": 32,
    "height": 32,
    "columns": ("text",),
    "activation": "none",
    "labels": {"overlay_text": {"columns": ["text"]}},
}


def with_bright(*boxes: tuple[slice, slice]) -> NDArray[np.uint8]:
    """One dark picture with bright boxes: 1 x 32 x 32 x 3."""
    picture = np.full((1, 32, 32, 3), 40, np.uint8)
    for rows_of_it, columns_of_it in boxes:
        picture[0, rows_of_it, columns_of_it] = 250
    return picture


def share_of(probability: float, area: dict[str, Any]) -> float:
    """The share of the picture that a probability stands for."""
    odds = probability / (1 - probability)
    return float(odds ** (1 / area["steepness"]) * (area["half"] + 1e-4) - 1e-4)


def test_of_a_map_the_share_that_lies_high_counts_by_a_curve() -> None:
    area = {key: value for key, value in LINES.items() if key not in ("cell", "thickest")}
    wrapped = wrap(mapper().SerializeToString(), recipe(area=area, **OF_MAP), name="x")
    half = with_bright((slice(0, 2), slice(0, 26)))

    (line,), (block,), (none,) = (
        run_graph(wrapped.model, picture, provider="cpu").rows
        for picture in (half, with_bright((slice(4, 20), slice(4, 20))), with_bright())
    )

    assert line[0] == pytest.approx(0.5, abs=0.02)
    assert share_of(line[0], area) == pytest.approx(52 / 1024, abs=1e-4)
    assert share_of(block[0], area) == pytest.approx(0.25, rel=1e-3)
    assert none[0] < 1e-5


def test_blobs_that_are_thick_both_ways_do_not_count() -> None:
    wrapped = wrap(mapper().SerializeToString(), recipe(area=LINES, **OF_MAP), name="x")
    line, block = (slice(0, 4), slice(0, 32)), (slice(12, 28), slice(12, 28))

    (both,), (alone,) = (
        run_graph(wrapped.model, with_bright(*boxes), provider="cpu").rows
        for boxes in ((line, block), (line,))
    )

    assert both[0] == pytest.approx(alone[0], abs=1e-5)
    assert share_of(alone[0], LINES) == pytest.approx(4 / 32, rel=1e-3)


def test_columns_may_go_by_number_and_lie_in_any_shape() -> None:
    made = recipe(columns=(), labels={"gun": {"columns": ["2"]}})

    said = rows(wrap(network(tail=(3, 1, 1)).SerializeToString(), made, name="x"))

    assert said[:, 0] == pytest.approx(
        [softmax(by_hand(picture, made))[2] for picture in DRAWN], abs=1e-5
    )


def test_a_network_in_half_precision_gets_halves_and_gives_floats() -> None:
    said = rows(wrap(network(dtype=TensorProto.FLOAT16).SerializeToString(), recipe(), name="x"))

    assert said.dtype == np.float32
    assert said == pytest.approx(
        np.array([softmax(by_hand(picture, recipe()))[1:] for picture in DRAWN]), abs=2e-3
    )


def test_a_network_that_takes_pixels_gets_them_as_they_are() -> None:
    made = recipe(scale=1, activation="sigmoid")

    said = rows(
        wrap(network(dtype=TensorProto.UINT8, layout="nhwc").SerializeToString(), made, name="x")
    )

    assert said == pytest.approx(
        np.array([sigmoid(by_hand(picture, made))[1:] for picture in DRAWN]), abs=1e-5
    )


def test_of_several_outputs_the_named_one_counts_and_the_others_go() -> None:
    wrapped = wrap(
        network(outputs=("features", "scores")).SerializeToString(),
        recipe(output="scores"),
        name="x",
    )

    assert [port.name for port in load_from_string(wrapped.model).graph.output] == [wrapped.output]
    assert wrapped.was.output.name == "scores"


def test_the_same_file_and_recipe_give_the_same_bytes() -> None:
    data = network().SerializeToString()

    assert wrap(data, recipe(), name="x").model == wrap(data, recipe(), name="y").model


def test_a_graph_that_was_wrapped_can_be_wrapped_again() -> None:
    once = wrap(network().SerializeToString(), recipe(), name="x")

    twice = wrap(
        once.model,
        recipe(
            scale=1,
            columns=("gun", "fire"),
            labels={"gun": {"columns": ["gun"]}},
            activation="none",
        ),
        name="x",
    )

    assert twice.input != once.input
    assert rows(twice)[:, 0] == pytest.approx(rows(once)[:, 0], abs=1e-6)


def test_a_graph_may_be_made_to_say_that_it_takes_one_picture() -> None:
    fixed = fix_batch(wrap(network().SerializeToString(), recipe(), name="x").model)

    trial = run_graph(fixed, DRAWN, provider="cpu")

    assert not trial.batches
    assert trial.rows == pytest.approx(
        np.array([softmax(by_hand(picture, recipe()))[1:] for picture in DRAWN]), abs=1e-5
    )


@pytest.mark.parametrize(
    ("made", "changes", "said"),
    [
        (network(), {"layout": "nhwc"}, "is not nhwc"),
        (network(), {"width": 8, "height": 8}, "takes pictures of 4x4, 8x8 was said"),
        (network(side="s"), {}, "may have any size: say which with --input"),
        (network(side=3, layout="nchw"), {}, "may be nhwc or nchw: say which with --layout"),
        (network(batch=2), {}, "takes 2 pictures at once, wanted 1 or any number"),
        (network(outputs=("one", "two")), {}, "has outputs one, two: say which with --output"),
        (network(), {"output": "logits"}, "has no output 'logits'; there are scores"),
        (network(), {"columns": ("a", "b", "c", "d")}, "has 3 columns, 4 were named"),
        (
            network(),
            {"columns": (), "labels": {"gun": {"columns": ["3"]}}},
            "has columns 0 to 2, no 3",
        ),
        (
            network(columns="k"),
            {"columns": (), "labels": {"gun": {"columns": ["0"]}}},
            "name them with --columns",
        ),
        (network(dtype=TensorProto.UINT8), {}, "--scale must be 1"),
        (
            network(),
            {"area": LINES, "columns": ("a",), "labels": {"gun": {"columns": ["a"]}}},
            "wanted a map of N x 1 x H x W",
        ),
    ],
)
def test_a_network_that_the_recipe_does_not_fit_is_refused(
    made: Any, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SetupError, match=said):
        wrap(made.SerializeToString(), recipe(**changes), name="x")


def test_too_old_operators_are_refused_with_a_remedy() -> None:
    model = network()
    model.opset_import[0].version = 7

    with pytest.raises(SetupError, match="uses opset 7, wanted 8 or later"):
        wrap(model.SerializeToString(), recipe(), name="x")
