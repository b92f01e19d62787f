"""What an evil graph can do: end the process that tries it, and nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto

from scanner.errors import DecoderDiedError, LimitError, SetupError
from scanner.importing.add import add_model
from scanner.importing.task import Order
from scanner.importing.walled import Workshop, _checked, limits_for
from tests.importing import evil
from tests.importing.build import network, recipe


def refused(model: ModelProto, tmp_path: Path) -> str:
    """What is said of it; nothing of it is left."""
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SetupError) as why:
        add_model("stranger", recipe(), str(tmp_path / "net.onnx"), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
    return str(why.value)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (evil.with_function(), "defines 29 operators of its own"),
        (evil.looping(), "uses Loop, which may never end"),
        (
            evil.rolling_dice(),
            "uses RandomUniformLike: a picture must score the same whenever it is scored",
        ),
        (evil.with_texts(), "has texts in it"),
    ],
)
def test_what_no_classifier_needs_is_refused_before_anything_runs(
    model: ModelProto, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "made", lambda *_: pytest.fail("it was taken apart"))

    assert said in refused(model, tmp_path)


def test_a_graph_that_asks_for_more_memory_than_it_may_have_is_refused(tmp_path: Path) -> None:
    said = refused(evil.exploding(), tmp_path)

    assert said.startswith("model stranger: ")
    assert "allocate memory" in said


def test_a_graph_that_takes_too_long_is_ended() -> None:
    hasty = replace(limits_for(0), write_cpu_seconds=2.0)

    with (
        Workshop(evil.slow().SerializeToString(), "slow", hasty) as workshop,
        pytest.raises(SetupError) as why,
    ):
        workshop.made(Order(recipe=recipe()))

    assert (
        str(why.value)
        == "model slow: takes over 2 s of processor time for a few pictures; nothing of it was kept"
    )


@pytest.mark.parametrize(
    ("death", "said"),
    [
        (
            DecoderDiedError("x: decoder ended by SIGSEGV"),
            "broke the process that tried it (x: decoder ended by SIGSEGV)",
        ),
        (LimitError("x", kind="limit_memory"), "needs over 2048 MiB"),
        (DecoderDiedError("x", kind="limit_time"), "has said nothing for 600 s"),
    ],
)
def test_how_the_process_ended_is_told(
    death: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = Workshop(b"", "stranger")

    def die(*_: Any, **__: Any) -> None:
        raise death

    monkeypatch.setattr(workshop._sandbox, "call", die)

    with pytest.raises(SetupError, match="nothing of it was kept") as why:
        workshop.made(Order(recipe=recipe()))
    assert said in str(why.value)


@pytest.mark.parametrize(
    "said", [None, {}, {"wrapped": {"opset": "many"}}, {"wrapped": []}, ["refused"]]
)
def test_an_answer_that_cannot_be_is_not_believed(said: object) -> None:
    with pytest.raises(SetupError, match="says what cannot be"):
        _checked(said, b"", "stranger")


def test_it_is_taken_apart_in_another_process_behind_walls() -> None:
    with Workshop(network(side=8).SerializeToString(), "stranger") as workshop:
        assert {"limits", "no_new_privs"} <= set(workshop.walls)
        assert workshop._sandbox.pid not in (None, os.getpid())

        wrapped = workshop.made(Order(recipe=recipe()))
        alone = workshop.made(Order(recipe=recipe(), alone=True))

    assert (wrapped.batches, alone.batches) == (True, False)
    assert wrapped.was.width == 8
