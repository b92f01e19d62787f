"""Adding a public network gives a complete model folder, or none."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

import scanner.model_import
from scanner.errors import SetupError
from scanner.model_import.add import AddedModel, add_model
from scanner.model_import.catalogue import read_catalogue
from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.folder import manifest_text
from scanner.scoring.golden import generate_pictures
from scanner.scoring.manifest import Manifest, read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.registry import check_models, load_scorers
from scanner.testing.scorers import check_scorer, sample
from scanner.types import FrameSpec
from tests.model_import.build import classifier, expected_columns, network, softmax
from tests.sources.loopback import Answer, Server

SPEC = FrameSpec(width=8, height=8)


def save_network(folder: Path, model: ModelProto) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def add(
    tmp_path: Path, model: ModelProto, spec: ClassifierSpec | None = None, name: str = "stranger"
) -> AddedModel:
    return add_model(name, spec or classifier(), save_network(tmp_path, model), tmp_path / "models")


def test_an_added_network_scores_beside_the_test_card(tmp_path: Path) -> None:
    add(tmp_path, network(side=8))

    _, scorer = load_scorers(tmp_path / "models")
    drawn = generate_pictures(SPEC, seed=5, count=3)
    scores = scorer.score([sample(at, picture) for at, picture in enumerate(drawn)])

    expected = [softmax(expected_columns(picture, classifier()))[1:] for picture in drawn]
    assert [list(result.values.values()) for result in scores] == pytest.approx(
        np.array(expected), abs=1e-5
    )


def test_it_keeps_the_contract_of_a_scorer(tmp_path: Path) -> None:
    model = add(tmp_path, network(side=8))

    scorer = load_onnx(model.folder, model.manifest)

    check_scorer(
        scorer,
        [
            sample(at, picture)
            for at, picture in enumerate(generate_pictures(SPEC, seed=1, count=3))
        ],
    )


def test_its_folder_is_complete_and_checked(tmp_path: Path) -> None:
    model = add(tmp_path, network(side=8))

    (check,) = check_models(tmp_path / "models")

    assert (check.name, check.ok) == ("stranger", True)
    assert sorted(path.name for path in model.folder.iterdir()) == [
        "golden.json",
        "model.toml",
        "stranger.onnx",
    ]
    assert list((tmp_path / "models").iterdir()) == [model.folder]
    assert read_manifest(model.folder) == model.manifest


def test_its_manifest_says_what_is_assumed_and_keeps_it_in_shadow(tmp_path: Path) -> None:
    labels = {"gun": {"columns": ["b"], "prior": 0.2, "threshold": 0.9}}

    model = add(tmp_path, network(side=8), classifier(labels=labels))

    facts = model.manifest.labels[model.manifest.scored_labels[0]]
    assert facts.training_prior == 0.2
    assert (facts.policy.shadow, facts.policy.still) == (True, 0.9)
    assert model.manifest.quality["training_prior"] == "assumed"
    assert "assumed" in (model.folder / "model.toml").read_text().splitlines()[0]


def test_another_description_gives_another_version(tmp_path: Path) -> None:
    first = add(tmp_path, network(side=8), name="first")
    second = add(tmp_path, network(side=8), classifier(colour="bgr"), name="second")

    assert first.manifest.version != second.manifest.version
    assert (
        first.preflight.sha256 == second.preflight.sha256 == first.manifest.quality["source_sha256"]
    )


def test_the_preflight_has_the_facts_of_the_file_and_the_run(tmp_path: Path) -> None:
    preflight = add(tmp_path, network(side=8)).preflight

    assert preflight.sha256 == hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    assert preflight.opsets == {"": 17}
    assert list(preflight.operators.items()) == [("Reshape", 2), ("MatMul", 1), ("ReduceMean", 1)]
    assert (preflight.input, preflight.output) == (
        "pixels: float n x 3 x 8 x 8",
        "scores: float n x 3",
    )
    assert set(preflight.nodes) == {"CPUExecutionProvider"}
    assert (preflight.copies, preflight.batches) == (0, True)


@pytest.mark.parametrize(
    ("model", "batches"),
    [(network(side=8), True), (network(side=8, batch=1), False), (network(side=8, inner=1), False)],
)
def test_a_batch_may_vary_if_the_trial_succeeds_and_not_if_it_is_only_declared(
    model: ModelProto, batches: bool, tmp_path: Path
) -> None:
    added = add(tmp_path, model)

    session_shape = load_onnx(added.folder, added.manifest)._session.get_inputs()[0].shape
    assert added.preflight.batches is batches
    assert session_shape[0] == ("N" if batches else 1)


def with_external_data() -> ModelProto:
    model = network(side=8)
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = weights.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")
    return model


def with_foreign_operator() -> ModelProto:
    model = network(side=8)
    model.graph.node.append(helper.make_node("Shell", ["scores"], ["more"], domain="com.stranger"))
    model.opset_import.append(helper.make_opsetid("com.stranger", 1))
    return model


def with_weights(values: float) -> ModelProto:
    model = network(side=8)
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.full((3, 3), values, np.float32), "weights")
    )
    return model


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (with_external_data(), {}, "keeps weights in other files"),
        (with_foreign_operator(), {}, r"operators that ONNX does not define: com\.stranger\.Shell"),
        (
            network(side=8),
            {"activation": "none", "scale": 1},
            "wanted probabilities in .0, 1.: check --activation",
        ),
        (with_weights(np.inf), {}, "infinite numbers or NaN"),
        (with_weights(0.0), {}, "for every picture"),
        (network(side=8), {"layout": "nhwc"}, "wanted nhwc"),
    ],
)
def test_a_refused_network_leaves_nothing_behind(
    model: ModelProto, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match=message):
        add(tmp_path, model, classifier(**changes))

    assert list((tmp_path / "models").iterdir()) == []


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("<html>not found</html>")

    with pytest.raises(SetupError, match="not an ONNX model"):
        add_model("stranger", classifier(), str(path), tmp_path / "models")


def test_an_existing_model_is_not_overwritten(tmp_path: Path) -> None:
    model = add(tmp_path, network(side=8))
    before = {path: path.read_bytes() for path in model.folder.iterdir()}

    with pytest.raises(SetupError, match="exists already"):
        add(tmp_path, network(side=8), classifier(colour="bgr"))

    assert {path: path.read_bytes() for path in model.folder.iterdir()} == before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")

    with pytest.raises(SetupError, match="name another folder with --into"):
        add(tmp_path, network(side=8))


def test_a_network_from_an_address_is_added_if_it_is_the_pinned_one(
    server: Server, tmp_path: Path
) -> None:
    data = network(side=8).SerializeToString()
    server.pages["/net.onnx"] = Answer(data)

    with pytest.raises(SetupError, match="another file"):
        add_model("net", classifier(), f"{server.origin}/net.onnx", tmp_path, sha256="0" * 64)
    add_model(
        "net",
        classifier(),
        f"{server.origin}/net.onnx",
        tmp_path,
        sha256=hashlib.sha256(data).hexdigest(),
    )

    assert [check.problem for check in check_models(tmp_path)] == [""]


def test_without_the_package_onnx_the_error_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for module in ("sandboxed", "task", "wrap"):
        monkeypatch.delitem(sys.modules, f"scanner.model_import.{module}", raising=False)
        monkeypatch.delattr(scanner.model_import, module, raising=False)

    with pytest.raises(SetupError, match="pip install onnx"):
        add(tmp_path, network(side=8))


def test_a_manifest_survives_writing_whatever_its_strings_contain(tmp_path: Path) -> None:
    manifest = add(tmp_path, network(side=8)).manifest
    strange = manifest.model_copy(
        update={
            "origin": 'a "quoted"\nline \\ with \x7f, \x01, é and 🦊',
            "quality": {"a": {"b": [1, 2.5]}},
        }
    )

    assert (
        Manifest.model_validate(tomllib.loads(manifest_text(strange, comment="made by a test")))
        == strange
    )


@pytest.mark.shared_data
def test_nsfwjs_scores_as_with_plain_onnxruntime(shared: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = shared / "models" / "nsfwjs_mobilenet_v2.onnx"
    drawn = generate_pictures(FrameSpec(width=224, height=224), seed=0, count=4)

    model = add_model("nsfwjs", read_catalogue()["nsfwjs"], str(path), tmp_path)
    scores = load_onnx(model.folder, model.manifest).score(
        [sample(at, picture) for at, picture in enumerate(drawn)]
    )

    plain = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probabilities,) = plain.run(
        None, {"input": np.stack(drawn).transpose(0, 3, 1, 2).astype(np.float32) / 255}
    )
    expected = np.stack([probabilities[:, 1] + probabilities[:, 3], probabilities[:, 4]], axis=1)
    assert [list(result.values.values()) for result in scores] == pytest.approx(expected, abs=1e-4)
