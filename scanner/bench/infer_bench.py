"""The benchmark of inference: models of the registry, and any ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scanner.bench.decode_bench import cost_ratios
from scanner.bench.graph_limits import MachineLimits, measure_graph
from scanner.bench.measure import Amount, BenchPlan, BenchResult, BenchWork, measure_in_turns
from scanner.bench.pacing import pace_work
from scanner.errors import SetupError
from scanner.media.samples import Rgb, Sample
from scanner.scoring.onnx import OnnxScorer, open_session
from scanner.scoring.options import Provider
from scanner.scoring.scorer import Scorer
from scanner.types import FrameSpec

__all__ = ["OnnxSubject", "bench_infer", "bench_onnx", "open_onnx"]

POOL_SIZE: Final = 64
"""Pictures that are generated beyond one batch, so that consecutive batches differ."""
POOL_BYTES: Final = 256 << 20
"""Most bytes of generated pictures."""
OPENVINO: Final = "OpenVINO"
OURS: Final = "ours"
_DTYPES: Final[Mapping[str, Any]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def bench_infer(
    scorer: Scorer,
    batch: int,
    plan: BenchPlan,
    *,
    limits: MachineLimits | None = None,
    rate: float | None = None,
) -> BenchResult:
    """Measure one scorer on batches of random pictures that are ready in memory: MLPerf's offline
    scenario. With ``limits``, its share of what the machine could do is a fact of the result; with
    ``rate``, batches a second, the result has latencies (the server scenario)."""
    pool = _random_samples(scorer.inputs, batch)
    start = count(step=batch)

    def work(turns: Iterable[None]) -> Amount:
        done = sum(len(scorer.score(_slice(pool, next(start), batch))) for _ in turns)
        return Amount(units=done // batch, samples=done)

    result = BenchResult(
        bench="infer",
        name=f"{scorer.model}, batch of {batch}",
        unit="batch",
        provider=_provider(scorer),
        runs=measure_in_turns({OURS: work}, plan)[OURS],
        facts={"batch": batch, "motion": any(spec.burst is not None for spec in scorer.inputs)},
    )
    if rate is not None:
        seconds = plan.repeats * plan.seconds
        latency = pace_work(lambda: work([None]), rate=rate, seconds=seconds)
        result = replace(result, latency=latency)
    if limits is None or not isinstance(scorer, OnnxScorer):
        return result
    one = {
        scorer.manifest.input.name: np.zeros((1, *scorer.manifest.input.spec.shape), dtype=np.uint8)
    }
    return _with_limits(result, limits, scorer.path.read_bytes(), one, images=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxSubject:
    """An ONNX file that is measured as it is: no manifest, no scores."""

    name: str
    graph: bytes
    session: Any
    provider: str
    rival: Callable[[Mapping[str, NDArray[Any]]], object] | None
    """Runs the same graph on OpenVINO; None where that is not installed or not comparable."""


def open_onnx(path: Path, *, provider: Provider = "cpu", threads: int = 1) -> OnnxSubject:
    """Open an ONNX file of any task.

    Raises:
        SetupError: it cannot be read, or the runtime refuses it.
    """
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    session = open_session(graph, provider=provider, threads=threads, name=path.name)
    return OnnxSubject(
        name=path.name,
        graph=graph,
        session=session,
        provider=session.get_providers()[0],
        rival=_openvino(graph) if provider == "cpu" else None,
    )


def bench_onnx(
    subject: OnnxSubject, batch: int, plan: BenchPlan, *, limits: MachineLimits
) -> BenchResult:
    """Measure a graph on random input; a first dimension that may vary is the batch, and any other
    is 1.

    Raises:
        SetupError: an input has a type that cannot be generated.
    """
    feeds = {one.name: _random_input(one, batch) for one in subject.session.get_inputs()}
    works = {OURS: _as_work(lambda: subject.session.run(None, feeds), batch)}
    if (rival := subject.rival) is not None:
        works[OPENVINO] = _as_work(lambda: rival(feeds), batch)
    runs = measure_in_turns(works, plan)
    ours = runs.pop(OURS)
    result = BenchResult(
        bench="infer",
        name=f"{subject.name}, batch of {batch}",
        unit="batch",
        provider=subject.provider,
        runs=ours,
        ratios=cost_ratios(ours, runs),
        facts={
            "batch": batch,
            "inputs": {name: list(array.shape) for name, array in feeds.items()},
        },
    )
    return _with_limits(result, limits, subject.graph, feeds, images=batch)


def _with_limits(
    result: BenchResult,
    limits: MachineLimits,
    graph: bytes,
    feeds: Mapping[str, NDArray[Any]],
    *,
    images: int,
) -> BenchResult:
    """Return the result with the graph's cost for one image, and the share of the machine's limit
    that it reaches; without the share on a GPU, whose limits are not measured."""
    cost = measure_graph(graph, feeds)
    facts: dict[str, Any] = {
        "flops_per_sample": cost.flops // images,
        "bytes_per_sample": cost.moved // images,
    }
    if result.provider == "CPUExecutionProvider":
        least = limits.least_seconds(cost) / images
        used = result.cpu_ms.median / 1000 / result.facts["batch"]
        facts["share_of_limit"] = least / used
        facts["limit"] = {"flops_per_second": limits.flops, "bytes_per_second": limits.moved}
    return replace(result, facts={**result.facts, **facts})


def _as_work(run: Callable[[], object], batch: int) -> BenchWork:
    def work(turns: Iterable[None]) -> Amount:
        done = sum(1 for _ in turns if run() is not None)
        return Amount(units=done, samples=done * batch)

    return work


def _openvino(graph: bytes) -> Callable[[Mapping[str, NDArray[Any]]], object] | None:
    """Return what runs the graph on OpenVINO with one thread, or None where that is impossible."""
    if find_spec("openvino") is None:
        return None
    openvino: Any = import_module("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda feeds: compiled(dict(feeds))


def _random_input(tensor: Any, batch: int) -> NDArray[Any]:
    dtype = _DTYPES.get(tensor.type)
    if dtype is None:
        raise SetupError(
            f"input {tensor.name} is {tensor.type}, wanted one of {', '.join(_DTYPES)}"
        )
    sizes = [size if isinstance(size, int) else 1 for size in tensor.shape]
    if tensor.shape and not isinstance(tensor.shape[0], int):
        sizes[0] = batch
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return random.random(sizes).astype(dtype)
    return random.integers(0, 256 if dtype == np.uint8 else 2, sizes).astype(dtype)


def _random_samples(specs: Sequence[FrameSpec], batch: int) -> list[Sample]:
    """Return pictures for batches that differ, within ``POOL_BYTES`` but at least one batch."""
    random = np.random.default_rng(0)
    size = sum(int(np.prod(spec.shape)) for spec in specs)
    number = batch + max(0, min(POOL_SIZE, POOL_BYTES // max(1, size) - batch))
    start = Fraction(0) if any(spec.burst is not None for spec in specs) else None
    return [
        Sample(
            at=Fraction(0),
            pts=0,
            keyframe=True,
            images={spec: _noise(random, spec) for spec in specs},
            start=start,
        )
        for _ in range(number)
    ]


def _noise(random: np.random.Generator, spec: FrameSpec) -> Rgb:
    return random.integers(0, 256, spec.shape, np.uint8)


def _slice(pool: list[Sample], start: int, size: int) -> list[Sample]:
    first = start % (len(pool) - size + 1)
    return pool[first : first + size]


def _provider(scorer: Scorer) -> str | None:
    return scorer.provider if isinstance(scorer, OnnxScorer) else None
