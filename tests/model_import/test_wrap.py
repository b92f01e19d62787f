"""A wrapped graph returns what a computation by hand returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, load_from_string

from scanner.errors import SetupError
from scanner.model_import.wrap import WrappedGraph, fix_batch, wrap
from scanner.scoring.golden import generate_pictures
from scanner.scoring.graph_run import run_graph
from scanner.types import FrameSpec
from tests.model_import.build import (
    SIDE,
    classifier,
    expected_columns,
    mapper,
    network,
    sigmoid,
    softmax,
)

DRAWN = np.stack(generate_pictures(FrameSpec(width=8, height=8), seed=3, count=4))[:, :SIDE, :SIDE]
NORMAL: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": ("0.229", "0.224", "0.225")}


def rows(wrapped: WrappedGraph) -> NDArray[np.float32]:
    return run_graph(wrapped.model, DRAWN, provider="cpu").rows


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "arithmetic", [{}, NORMAL, {"scale": 1, "mean": (104, 117, 123), "std": (58, 57, 57)}]
)
@pytest.mark.parametrize("opset", [9, 17])
def test_layout_colour_and_normalisation_are_those_of_the_description(
    layout: str, colour: str, arithmetic: dict[str, Any], opset: int
) -> None:
    spec = classifier(colour=colour, **arithmetic)

    result = rows(wrap(network(layout=layout, opset=opset).SerializeToString(), spec, name="x"))

    expected = [softmax(expected_columns(picture, spec))[1:] for picture in DRAWN]
    assert result == pytest.approx(np.array(expected), abs=1e-5)


def test_an_activation_is_applied_before_columns_are_chosen() -> None:
    network_bytes, labels = network().SerializeToString(), {"gun": {"columns": ["a"]}}

    of_softmax = rows(wrap(network_bytes, classifier(labels=labels), name="x"))
    of_sigmoid = rows(
        wrap(network_bytes, classifier(labels=labels, activation="sigmoid"), name="x")
    )

    raw = [expected_columns(picture, classifier()) for picture in DRAWN]
    assert of_softmax == pytest.approx(np.array([softmax(row)[:1] for row in raw]), abs=1e-5)
    assert of_sigmoid == pytest.approx(np.array([sigmoid(row)[:1] for row in raw]), abs=1e-5)


def test_columns_of_one_label_are_added_or_the_highest_is_taken() -> None:
    network_bytes, labels = network().SerializeToString(), {"gun": {"columns": ["a", "c"]}}

    added = rows(wrap(network_bytes, classifier(labels=labels, combine="sum"), name="x"))
    highest = rows(wrap(network_bytes, classifier(labels=labels, combine="max"), name="x"))

    shares = np.array([softmax(expected_columns(picture, classifier())) for picture in DRAWN])
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


def test_a_map_becomes_a_probability_by_the_share_of_high_pixels() -> None:
    area = {key: value for key, value in LINES.items() if key not in ("cell", "thickest")}
    wrapped = wrap(mapper().SerializeToString(), classifier(area=area, **OF_MAP), name="x")
    half = with_bright((slice(0, 2), slice(0, 26)))

    (line,), (block,), (none,) = (
        run_graph(wrapped.model, picture, provider="cpu").rows
        for picture in (half, with_bright((slice(4, 20), slice(4, 20))), with_bright())
    )

    assert line[0] == pytest.approx(0.5, abs=0.02)
    assert share_of(line[0], area) == pytest.approx(52 / 1024, abs=1e-4)
    assert share_of(block[0], area) == pytest.approx(0.25, rel=1e-3)
    assert none[0] < 1e-5


def test_areas_that_are_thick_in_both_directions_do_not_count() -> None:
    wrapped = wrap(mapper().SerializeToString(), classifier(area=LINES, **OF_MAP), name="x")
    line, block = (slice(0, 4), slice(0, 32)), (slice(12, 28), slice(12, 28))

    (both,), (alone,) = (
        run_graph(wrapped.model, with_bright(*boxes), provider="cpu").rows
        for boxes in ((line, block), (line,))
    )

    assert both[0] == pytest.approx(alone[0], abs=1e-5)
    assert share_of(alone[0], LINES) == pytest.approx(4 / 32, rel=1e-3)


def test_columns_may_be_numbered_and_an_output_may_have_any_shape() -> None:
    spec = classifier(columns=(), labels={"gun": {"columns": ["2"]}})

    result = rows(wrap(network(tail=(3, 1, 1)).SerializeToString(), spec, name="x"))

    assert result[:, 0] == pytest.approx(
        [softmax(expected_columns(picture, spec))[2] for picture in DRAWN], abs=1e-5
    )


def test_an_fp16_network_takes_fp16_and_the_wrapped_graph_returns_floats() -> None:
    result = rows(
        wrap(network(dtype=TensorProto.FLOAT16).SerializeToString(), classifier(), name="x")
    )

    assert result.dtype == np.float32
    assert result == pytest.approx(
        np.array([softmax(expected_columns(picture, classifier()))[1:] for picture in DRAWN]),
        abs=2e-3,
    )


def test_a_network_that_takes_uint8_gets_the_pixels_unchanged() -> None:
    spec = classifier(scale=1, activation="sigmoid")

    result = rows(
        wrap(network(dtype=TensorProto.UINT8, layout="nhwc").SerializeToString(), spec, name="x")
    )

    assert result == pytest.approx(
        np.array([sigmoid(expected_columns(picture, spec))[1:] for picture in DRAWN]), abs=1e-5
    )


def test_of_several_outputs_the_selected_one_is_kept() -> None:
    wrapped = wrap(
        network(outputs=("features", "scores")).SerializeToString(),
        classifier(output="scores"),
        name="x",
    )

    assert [port.name for port in load_from_string(wrapped.model).graph.output] == [wrapped.output]
    assert wrapped.original.output.name == "scores"


def test_the_same_file_and_description_give_the_same_bytes() -> None:
    data = network().SerializeToString()

    assert wrap(data, classifier(), name="x").model == wrap(data, classifier(), name="y").model


def test_a_wrapped_graph_can_be_wrapped_again() -> None:
    once = wrap(network().SerializeToString(), classifier(), name="x")

    twice = wrap(
        once.model,
        classifier(
            scale=1,
            columns=("gun", "fire"),
            labels={"gun": {"columns": ["gun"]}},
            activation="none",
        ),
        name="x",
    )

    assert twice.input != once.input
    assert rows(twice)[:, 0] == pytest.approx(rows(once)[:, 0], abs=1e-6)


def test_a_graph_can_be_fixed_to_single_pictures() -> None:
    fixed = fix_batch(wrap(network().SerializeToString(), classifier(), name="x").model)

    trial = run_graph(fixed, DRAWN, provider="cpu")

    assert not trial.batches
    assert trial.rows == pytest.approx(
        np.array([softmax(expected_columns(picture, classifier()))[1:] for picture in DRAWN]),
        abs=1e-5,
    )


@pytest.mark.parametrize(
    ("network_model", "changes", "message"),
    [
        (network(), {"layout": "nhwc"}, "wanted nhwc"),
        (network(), {"width": 8, "height": 8}, "takes pictures of 4x4, --input is 8x8"),
        (network(side="s"), {}, "may have any size: give it with --input"),
        (
            network(side=3, layout="nchw"),
            {},
            "may be nhwc or nchw: select the layout with --layout",
        ),
        (network(batch=2), {}, "takes 2 pictures at once, wanted 1 or any number"),
        (
            network(outputs=("one", "two")),
            {},
            "has outputs one, two, wanted one: select it with --output",
        ),
        (network(), {"output": "logits"}, "has no output 'logits'; there are scores"),
        (network(), {"columns": ("a", "b", "c", "d")}, "has 3 columns, --columns names 4"),
        (
            network(),
            {"columns": (), "labels": {"gun": {"columns": ["3"]}}},
            "has columns 0 to 2, a label uses 3",
        ),
        (
            network(columns="k"),
            {"columns": (), "labels": {"gun": {"columns": ["0"]}}},
            "name them with --columns",
        ),
        (network(dtype=TensorProto.UINT8), {}, "wanted --scale 1"),
        (
            network(),
            {"area": LINES, "columns": ("a",), "labels": {"gun": {"columns": ["a"]}}},
            "wanted a map of N x 1 x H x W",
        ),
    ],
)
def test_a_network_that_does_not_fit_its_description_is_refused(
    network_model: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        wrap(network_model.SerializeToString(), classifier(**changes), name="x")


def test_an_old_opset_is_refused_with_a_remedy() -> None:
    model = network()
    model.opset_import[0].version = 7

    with pytest.raises(SetupError, match="uses opset 7, wanted 8 or later"):
        wrap(model.SerializeToString(), classifier(), name="x")
