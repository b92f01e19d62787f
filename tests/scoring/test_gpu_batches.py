"""What a GPU needs of batches and of a session, checked on the CPU."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scanner.errors import SetupError
from scanner.media.samples import Sample
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import BATCH_SIZES, OnnxScorer, check_placement, load_onnx
from tests.scoring.build_onnx import tiny

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class CountingSession:
    """A session that remembers the size of each batch."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.sizes: list[int] = []

    def get_providers(self) -> list[str]:
        return list(self._session.get_providers())

    def run(self, names: Any, feeds: dict[str, Any]) -> Any:
        self.sizes.append(len(next(iter(feeds.values()))))
        return self._session.run(names, feeds)


def pictures(scorer: OnnxScorer, count: int) -> list[Sample]:
    random = np.random.default_rng(1)
    (spec,) = scorer.inputs
    return [
        Sample(
            at=Fraction(number),
            pts=number,
            keyframe=True,
            images={spec: random.integers(0, 256, spec.shape, np.uint8)},
        )
        for number in range(count)
    ]


def batching(folder: Path) -> tuple[OnnxScorer, OnnxScorer, CountingSession]:
    alone = load_onnx(folder, read_manifest(folder))
    counting = CountingSession(alone._session)
    return alone, OnnxScorer(alone.manifest, counting, batches=True, path=alone.path), counting


@pytest.mark.parametrize("count", [0, 1, 3, 8, 31, 32, 33, 70])
def test_any_number_of_samples_comes_in_a_few_sizes_and_scores_as_each_alone(
    count: int, tmp_path: Path
) -> None:
    alone, together, session = batching(tiny(tmp_path / "tiny"))
    samples = pictures(alone, count)

    scores = together.score(samples)

    assert [one.values for one in scores] == [
        pytest.approx(one.values, abs=1e-5) for one in alone.score(samples)
    ]
    assert set(session.sizes) <= set(BATCH_SIZES)
    assert sum(session.sizes) >= count


def test_every_size_is_run_before_the_first_sample_comes(tmp_path: Path) -> None:
    _, together, session = batching(tiny(tmp_path / "tiny"))

    together.warm_up()

    assert tuple(session.sizes) == BATCH_SIZES


def node(operator: str, provider: str | None) -> dict[str, Any]:
    where = {} if provider is None else {"provider": provider}
    return {"cat": "Node", "args": {"op_name": operator, **where}}


def test_a_convolution_that_ran_on_the_cpu_is_told() -> None:
    events = [node("Conv", CUDA), node("Shape", CPU), node("Conv", CPU), node("MatMul", CPU)]

    with pytest.raises(
        SetupError, match=r"model m: 2 of its operators do not run on cuda \(Conv, MatMul\)"
    ):
        check_placement(events, "cuda", "m")


def test_bookkeeping_may_run_on_the_cpu_and_tensorrt_may_fall_back_to_cuda() -> None:
    check_placement([node("Shape", CPU), node("Conv", CUDA), node("Conv", None)], "cuda", "m")
    check_placement([node("Conv", CUDA)], "tensorrt", "m")
