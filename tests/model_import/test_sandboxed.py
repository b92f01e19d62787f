"""A hostile graph can end the process that tries it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto

from scanner.errors import DecoderDiedError, LimitError, SetupError
from scanner.model_import.add import add_model
from scanner.model_import.sandboxed import ImportSandbox, _validate_result, limits_for
from scanner.model_import.task import WrapRequest
from tests.model_import import hostile_graphs
from tests.model_import.build import classifier, network


def refusal(model: ModelProto, tmp_path: Path) -> str:
    """Return the message of the refusal; check that nothing is left in the folder of models."""
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SetupError) as error:
        add_model("stranger", classifier(), str(tmp_path / "net.onnx"), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (hostile_graphs.with_function(), "defines 29 operators of its own"),
        (hostile_graphs.looping(), "uses Loop, which may never end"),
        (
            hostile_graphs.with_random_numbers(),
            "uses RandomUniformLike, wanted a deterministic graph",
        ),
        (hostile_graphs.with_strings(), "has 1 string tensors"),
    ],
)
def test_graphs_with_unneeded_features_are_refused_before_they_run(
    model: ModelProto, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImportSandbox, "wrap", lambda *_: pytest.fail("it was wrapped"))

    assert message in refusal(model, tmp_path)


def test_a_graph_that_asks_for_more_memory_than_it_may_have_is_refused(tmp_path: Path) -> None:
    message = refusal(hostile_graphs.allocating(), tmp_path)

    assert message.startswith("model stranger: ")
    assert "allocate memory" in message


def test_a_graph_that_takes_too_long_is_ended() -> None:
    hasty = replace(limits_for(0), write_cpu_seconds=2.0)

    with (
        ImportSandbox(hostile_graphs.slow().SerializeToString(), "slow", hasty) as sandbox,
        pytest.raises(SetupError) as error,
    ):
        sandbox.wrap(WrapRequest(classifier=classifier()))

    assert (
        str(error.value)
        == "model slow: takes over 2 s of processor time for a few pictures; nothing of it was kept"
    )


@pytest.mark.parametrize(
    ("death", "message"),
    [
        (
            DecoderDiedError("x: decoder ended by SIGSEGV"),
            "ended the process that tried it (x: decoder ended by SIGSEGV)",
        ),
        (LimitError("x", kind="limit_memory"), "needs over 2048 MiB"),
        (DecoderDiedError("x", kind="limit_time"), "gave no result within 600 s"),
    ],
)
def test_the_error_states_how_the_process_ended(
    death: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ImportSandbox(b"", "stranger")

    def die(*_: Any, **__: Any) -> None:
        raise death

    monkeypatch.setattr(sandbox._sandbox, "call", die)

    with pytest.raises(SetupError, match="nothing of it was kept") as error:
        sandbox.wrap(WrapRequest(classifier=classifier()))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "result", [None, {}, {"wrapped": {"opset": "many"}}, {"wrapped": []}, ["refused"]]
)
def test_an_invalid_result_of_the_process_is_refused(result: object) -> None:
    with pytest.raises(SetupError, match="returned an invalid result"):
        _validate_result(result, b"", "stranger")


def test_the_network_is_wrapped_in_a_restricted_process() -> None:
    with ImportSandbox(network(side=8).SerializeToString(), "stranger") as sandbox:
        assert {"limits", "no_new_privs"} <= set(sandbox.restrictions)

        wrapped = sandbox.wrap(WrapRequest(classifier=classifier()))
        alone = sandbox.wrap(WrapRequest(classifier=classifier(), single_picture=True))

    assert (wrapped.batches, alone.batches) == (True, False)
    assert wrapped.original.width == 8
