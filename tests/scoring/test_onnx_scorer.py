from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from scanner.errors import SetupError
from scanner.media.samples import Rgb
from scanner.scoring.calibration import calibrate, class_probabilities, to_logits
from scanner.scoring.manifest import Calibration, Output, read_manifest
from scanner.scoring.onnx import OnnxScorer, load_onnx
from scanner.testing.scorers import check_scorer, sample
from scanner.types import Medium
from tests.scoring.build_onnx import MEDIA, graph, save, tiny

RANDOM = np.random.default_rng(0)


def colour(red: int, green: int, blue: int) -> Rgb:
    return np.full((8, 8, 3), (red, green, blue), np.uint8)


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def load(folder: Path) -> OnnxScorer:
    return load_onnx(folder, read_manifest(folder))


def refusal(folder: Path, model: ModelProto, *, edit: Callable[[str], str] = str) -> str:
    save(folder, model, edit=edit)
    with pytest.raises(SetupError) as error:
        load(folder)
    return str(error.value)


def test_scores_are_what_graph_and_calibration_compute(tmp_path: Path) -> None:
    scorer = load(tiny(tmp_path / "tiny"))

    (scores,) = scorer.score([sample(0, colour(255, 51, 0))])

    assert str(scores.model) == "tiny@1"
    assert scores.values == pytest.approx(
        {"fight": sigmoid(1.0), "gun": sigmoid(2.0 * 0.2 - 1.0)}, abs=1e-6
    )
    weights = [math.exp(1.0), math.exp(0.2), math.exp(0.0)]
    assert scores.medium == pytest.approx(
        {medium: w / sum(weights) for medium, w in zip(map(Medium, MEDIA), weights, strict=True)},
        abs=1e-6,
    )


def test_it_keeps_the_contract_of_a_scorer(tmp_path: Path) -> None:
    samples = [sample(at, RANDOM.integers(0, 256, (8, 8, 3), np.uint8)) for at in range(4)]

    check_scorer(load(tiny(tmp_path / "tiny")), samples)


def test_a_batch_scores_as_its_samples_one_by_one(tmp_path: Path) -> None:
    alone = load(tiny(tmp_path / "tiny"))
    batching = OnnxScorer(alone.manifest, alone._session, batches=True, path=alone.path)
    samples = [sample(at, RANDOM.integers(0, 256, (8, 8, 3), np.uint8)) for at in range(4)]

    check_scorer(batching, samples)
    assert [scores.values for scores in batching.score(samples)] == [
        pytest.approx(scores.values) for scores in alone.score(samples)
    ]


def test_an_embedding_is_checked_and_not_scored(tmp_path: Path) -> None:
    extra = [helper.make_node("Identity", ["means"], ["embedding"])]
    model = graph(extra=extra, outputs=(("logits", 2), ("medium", 3), ("embedding", 3)))
    save(
        tmp_path / "tiny",
        model,
        edit=lambda text: text.replace(
            "[labels.fight]",
            '[[outputs]]\nname = "embedding"\nkind = "embedding"\n\n[labels.fight]',
        ),
    )

    (scores,) = load(tmp_path / "tiny").score([sample(0, colour(0, 0, 0))])

    assert set(scores.values) == {"fight", "gun"}


def test_a_graph_that_takes_one_picture_at_a_time_is_given_one_at_a_time(tmp_path: Path) -> None:
    scorer = load(save(tmp_path / "tiny", graph(batch=1)))

    assert len(scorer.score([sample(0, colour(1, 2, 3)), sample(1, colour(4, 5, 6))])) == 2


# Refused models


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "tiny")
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-3] ^= 1
    (folder / "model.onnx").write_bytes(data)

    with pytest.raises(
        SetupError, match=r"sha256 of model.onnx is .* its manifest states .*: the file was changed"
    ):
        load(folder)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "tiny")
    (folder / "model.onnx").unlink()

    with pytest.raises(SetupError, match=r"model tiny: cannot read .*model.onnx: No such file"):
        load(folder)


def test_weights_in_another_file_are_refused_although_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = graph()
    tensor = model.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")

    assert (
        "keeps weights in other files (white), wanted a file that contains all weights"
        in refusal(tmp_path / "tiny", model)
    )


def test_a_model_that_the_runtime_refuses_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    assert "onnxruntime refuses it on cpu" in refusal(
        folder, graph(extra=[helper.make_node("NoSuchOperator", ["unit"], ["out"])])
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (graph(opset=13), "uses opset 13, its manifest states 17"),
        (
            graph(extra=[helper.make_node("Evil", ["unit"], ["out"], domain="com.example")]),
            "uses operators that ONNX does not define: com.example.Evil",
        ),
        (
            graph(side=16),
            "input images is tensor(uint8) of shape N x 16 x 16 x 3, "
            "its manifest states tensor(uint8) of shape N x 8 x 8 x 3",
        ),
        (graph(dtype=TensorProto.FLOAT), "input images is tensor(float)"),
        (graph(layout="NCHW"), "of shape N x 3 x 8 x 8"),
        (graph(batch=2), "of shape 2 x 8 x 8 x 3"),
        (graph(outputs=(("logits", 2),)), "outputs are logits, its manifest states logits, medium"),
        (
            graph(outputs=(("logits", "k"), ("means", "m"))),
            "outputs are logits, means, its manifest states logits, medium",
        ),
    ],
)
def test_a_graph_that_differs_from_its_manifest_is_refused(
    tmp_path: Path, model: ModelProto, message: str
) -> None:
    assert message in refusal(tmp_path / "tiny", model)


def with_fire(text: str) -> str:
    """Add a label to a manifest."""
    return (
        text.replace('"fight", "gun"', '"fight", "gun", "fire"')
        + "\n[labels.fire]\ntraining_prior = 0.5\n"
    )


def graph_of_variable_width() -> ModelProto:
    """Build a graph with an output whose width is known only after it ran."""
    model = graph(
        extra=[helper.make_node("Compress", ["means", "keep"], ["logits"], axis=1)],
        outputs=(("logits", "k"), ("medium", "m")),
    )
    del model.graph.node[3]
    model.graph.initializer.append(
        helper.make_tensor("keep", TensorProto.BOOL, [3], [True, True, False])
    )
    return model


def test_a_label_without_a_column_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "tiny", graph(), edit=with_fire)

    assert (
        "output logits is tensor(float) of shape N x 2, "
        "its manifest states tensor(float) of shape N x 3"
    ) in message


def test_a_variable_width_is_checked_by_a_first_run(tmp_path: Path) -> None:
    assert load(save(tmp_path / "tiny", graph_of_variable_width())).labels == ("fight", "gun")
    assert "output logits has shape 1 x 2, wanted 1 x 3" in refusal(
        tmp_path / "tiny", graph_of_variable_width(), edit=with_fire
    )


def save_without_activation(model: ModelProto, activation: str, folder: Path) -> Path:
    """Save the model with a manifest that states that the graph applies one of the activations."""
    return save(
        folder,
        model,
        edit=lambda text: text.replace(f'activation = "{activation}"', 'activation = "none"'),
    )


def test_values_outside_0_to_1_are_refused_as_probabilities(tmp_path: Path) -> None:
    model = graph(extra=[helper.make_node("Add", ["picked", "picked"], ["logits"])])
    model.graph.node[3].output[0] = "picked"
    scorer = load(save_without_activation(model, "sigmoid", tmp_path / "tiny"))

    with pytest.raises(
        SetupError, match=r"output logits gave 0 to 2, wanted probabilities in \[0, 1\]"
    ):
        scorer.score([sample(0, colour(255, 0, 0))])


def test_probabilities_of_media_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    folder = save_without_activation(graph(), "softmax", tmp_path / "tiny")

    with pytest.raises(
        SetupError, match="output medium sums to 0, wanted probabilities that sum to 1"
    ):
        load(folder)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = graph(extra=[helper.make_node("Log", ["means"], ["medium"])])
    del model.graph.node[4]

    assert "output medium gave -inf to -inf, wanted finite numbers" in refusal(
        tmp_path / "tiny", model
    )


@pytest.mark.no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_fallback_to_the_cpu_is_an_error_with_a_remedy_and_nothing_on_stderr(
    tmp_path: Path, provider: str
) -> None:
    folder = tiny(tmp_path / "tiny")
    program = (
        "import pathlib, sys\n"
        "from scanner.errors import SetupError\n"
        "from scanner.scoring.registry import load_scorers\n"
        "try:\n"
        f"    load_scorers(pathlib.Path({str(folder.parent)!r}), provider={provider!r})\n"
        "except SetupError as error:\n"
        "    sys.exit(0 if 'streamwarden[cuda]' in str(error) else 4)\n"
        "sys.exit(5)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


# Calibration


def test_the_logit_of_a_softmax_is_that_of_its_probability() -> None:
    output = Output(
        name="o", kind="label", labels=("fight", "gun"), activation="softmax", temperature=2.0
    )

    assert class_probabilities([4.0, 0.0], output) == pytest.approx([sigmoid(2.0), sigmoid(-2.0)])
    assert to_logits([4.0, 0.0], output) == pytest.approx([2.0, -2.0])


def test_probabilities_that_the_graph_computes_are_calibrated_too() -> None:
    output = Output(name="o", kind="label", labels=("gun", "fire"), activation="none")

    usual, certain = calibrate(
        to_logits([0.8, 1.0], output), [Calibration(a=2.0, b=0.5), Calibration()]
    )

    assert usual == pytest.approx(sigmoid(2.0 * math.log(4.0) + 0.5))
    assert 0.999 < certain < 1.0


def test_no_logit_is_too_large_to_calibrate() -> None:
    assert calibrate([-1e6, 1e6], [Calibration(), Calibration()]) == [0.0, 1.0]
    assert class_probabilities(
        [-1e6, 1e6],
        Output(name="o", kind="medium", labels=("camera", "screen"), activation="softmax"),
    ) == [0.0, 1.0]
