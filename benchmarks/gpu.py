"""What a GPU gives, in one run of at most ten minutes: ``python -m benchmarks.gpu [--out FILE]``.

    agreement    scores of each model against the CPU's, single pictures and batches
    sizes        batches of any size, as they come, beside batches filled up to a few sizes
    throughput   images a second by size of batch and precision: the product's scorer, plain
                 onnxruntime, and input and output bound to buffers that are kept
    graphs       the same buffers, with one CUDA graph for each size of batch
    in flight    batches of one thread, and of two, so that copies may hide behind compute
    torch        MobileNetV2 of torchvision, channels last, in half precision, compiled
    nvdec        keyframes decoded on the GPU, if this FFmpeg can

Each part that fails is written with its error, and the others go on. The exit status is 1 if a part
failed but ``torch`` and ``nvdec``, which need not be there, or if results differ from the CPU's. On
a machine without a GPU ``--provider cpu`` runs the same code, to test it.

The document::

    schema      streamwarden-gpu/1
    provider    the provider that was asked for
    machine     processor, cores, memory, system, versions, GPUs with their driver
    seconds     how long all of it took
    parts       by name, as above; rates are {per_second: images a second, median_ms: of a call}
                agreement P   by model: largest_difference of a probability, agrees
                throughput P  by model and size of batch: a rate
                sizes         "as they come" and "filled up": a rate
                bound, graphs by size of batch: a rate, largest_difference of an output, agrees
                in flight     "SIZE, N threads": a rate, agrees
                torch         plain and compiled, by size of batch: a rate
                nvdec         by decoder: a rate of keyframes, or its error
    errors      by part: why it is missing
    differs     paths below parts whose results differ from the CPU's
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final, get_args

import numpy as np

from benchmarks.clips import SEGMENT, get_clip
from scanner.bench.bare import keyframe_packets
from scanner.bench.machine import read_machine
from scanner.media.samples import Sample
from scanner.scoring.onnx import BATCH_SIZES, OnnxScorer
from scanner.scoring.options import Precision, Provider
from scanner.scoring.registry import load_scorers
from scanner.types import Scores

SCHEMA: Final = "streamwarden-gpu/1"
BUDGET_SECONDS: Final = 400.0
"""Time after which no part begins."""
TORCH_SECONDS: Final = 120.0
"""Time after which nothing more is compiled."""
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16")
AGREEMENT: Final = 0.02
"""Most that a probability may differ from the CPU's, for half precision and another order."""
OUTPUT_AGREEMENT: Final = 0.05
"""Most that an output of the graph, which may be a logit, may differ between two ways to run it."""
OPTIONAL: Final = frozenset({"torch", "nvdec"})
"""Parts that need what may not be installed."""

Part = Callable[[], Any]


def main() -> None:
    """Measure everything, and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", default="cuda", choices=get_args(Provider))
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    options = parser.parse_args()
    document = measure_gpu(options.provider, options.seconds)
    options.out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(f"{options.out}: {document['seconds']:.0f} s; errors: {document['errors'] or 'none'}")
    print(f"results that differ from the CPU's: {', '.join(document['differs']) or 'none'}")
    sys.exit(bool(document["differs"] or document["errors"].keys() - OPTIONAL))


def measure_gpu(provider: Provider, seconds: float) -> dict[str, Any]:
    """Return the document: every part that could be measured, and the errors of the others."""
    began = time.monotonic()
    errors: dict[str, str] = {}
    parts: dict[str, Any] = {}
    for name, part in _parts(provider, seconds):
        if time.monotonic() - began > BUDGET_SECONDS:
            errors[name] = "no time was left"
            continue
        print(name, flush=True)
        try:
            parts[name] = part()
        except Exception as error:  # noqa: BLE001 - the other parts are worth having
            errors[name] = f"{type(error).__name__}: {error}"
    return {
        "schema": SCHEMA,
        "provider": provider,
        "machine": asdict(read_machine()),
        "seconds": time.monotonic() - began,
        "parts": parts,
        "errors": errors,
        "differs": list(_find_differing(parts)),
    }


def _find_differing(parts: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield where a part says that it does not agree."""
    if parts.get("agrees") is False:
        yield path
    for name, part in parts.items():
        if isinstance(part, dict):
            yield from _find_differing(part, f"{path}/{name}" if path else name)


def _parts(provider: Provider, seconds: float) -> Iterator[tuple[str, Part]]:
    for precision in PRECISIONS:
        yield f"agreement {precision}", partial(_agreement, provider, precision)
    for precision in PRECISIONS:
        yield f"throughput {precision}", partial(_throughput, provider, precision, seconds)
    yield "sizes", lambda: _sizes(provider, seconds)
    yield "bound", lambda: _bound(provider, seconds)
    yield "graphs", lambda: _graphs(provider, seconds)
    yield "in flight", lambda: _in_flight(provider, seconds)
    yield "nvdec", lambda: _nvdec(seconds)
    yield "torch", lambda: _torch(provider, seconds, time.monotonic() + TORCH_SECONDS)


def _load(provider: Provider, precision: Precision) -> list[OnnxScorer]:
    scorers = load_scorers(provider=provider, precision=precision)
    return [scorer for scorer in scorers if isinstance(scorer, OnnxScorer)]


def _pictures(scorer: OnnxScorer, count: int) -> list[Sample]:
    random = np.random.default_rng(3)
    (spec,) = scorer.inputs
    return [
        Sample(
            at=Fraction(number),
            pts=number,
            keyframe=True,
            images={spec: random.integers(0, 256, spec.shape, np.uint8)},
            start=None if spec.burst is None else Fraction(0),
        )
        for number in range(count)
    ]


def _values(scores: list[Scores]) -> list[float]:
    return [value for one in scores for value in (*one.values.values(), *one.medium.values())]


def _agreement(provider: Provider, precision: Precision) -> dict[str, Any]:
    """Return the largest difference from the CPU's probabilities, by model."""
    found = {}
    reference = {str(scorer.model): scorer for scorer in _load("cpu", "fp32")}
    for scorer in _load(provider, "auto" if precision == "fp16" else precision):
        samples = _pictures(scorer, 33)
        pairs = zip(
            _values(reference[str(scorer.model)].score(samples)),
            _values(scorer.score(samples)),
            strict=True,
        )
        most = max(abs(before - after) for before, after in pairs)
        found[str(scorer.model)] = {"largest_difference": most, "agrees": most <= AGREEMENT}
    return found


def _throughput(provider: Provider, precision: Precision, seconds: float) -> dict[str, Any]:
    """Return images a second of the product's scorer, by model and size of batch."""
    found: dict[str, Any] = {}
    for scorer in _load(provider, "auto" if precision == "fp16" else precision):
        samples = _pictures(scorer, BATCH_SIZES[-1])
        found[str(scorer.model)] = {
            str(size): _rate(partial(scorer.score, samples[:size]), size, seconds)
            for size in BATCH_SIZES
        }
    return found


def _sizes(provider: Provider, seconds: float) -> dict[str, Any]:
    """Return images a second over batches of any size, as they are and filled up."""
    scorer = _load(provider, "auto")[-1]
    (spec,) = scorer.inputs
    sizes = np.random.default_rng(5).integers(1, BATCH_SIZES[-1] + 1, 64).tolist()
    samples = _pictures(scorer, BATCH_SIZES[-1])
    arrays = np.stack([sample.images[spec] for sample in samples])
    name, session = scorer.manifest.input.name, scorer._session
    each = float(np.mean(sizes))
    numbers = iter(sizes * 10_000)
    plain = _rate(lambda: session.run(None, {name: arrays[: next(numbers)]}), each, 3 * seconds)
    filled = _rate(lambda: scorer.score(samples[: next(numbers)]), each, 3 * seconds)
    return {"as they come": plain, "filled up": filled}


def _bound(provider: Provider, seconds: float) -> dict[str, Any]:
    """Return images a second with input and output bound to memory that is kept."""
    scorer = _load(provider, "auto")[-1]
    (spec,) = scorer.inputs
    session = scorer._session
    runtime: Any = import_module("onnxruntime")
    device = "cpu" if provider == "cpu" else "cuda"
    found = {}
    for size in BATCH_SIZES:
        batch = np.random.default_rng(size).integers(0, 256, (size, *spec.shape), np.uint8)
        wanted = session.run(None, {scorer.manifest.input.name: batch})
        value = runtime.OrtValue.ortvalue_from_numpy(np.zeros_like(batch), device, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input(scorer.manifest.input.name, value)
        for output in session.get_outputs():
            binding.bind_output(output.name, device)

        def run(binding: Any = binding, value: Any = value, batch: Any = batch) -> Any:
            value.update_inplace(batch)
            session.run_with_iobinding(binding)
            return binding.copy_outputs_to_cpu()

        found[str(size)] = {**_rate(run, size, seconds), **_compare(wanted, run())}
    return found


def _graphs(provider: Provider, seconds: float) -> dict[str, Any]:
    """Return images a second where each size of batch is recorded once as a CUDA graph and played
    back; on the CPU, which has none, of the same code without them."""
    scorer = _load(provider, "auto")[-1]
    (spec,) = scorer.inputs
    runtime: Any = import_module("onnxruntime")
    device, options = ("cpu", {}) if provider == "cpu" else ("cuda", {"enable_cuda_graph": "1"})
    session = runtime.InferenceSession(
        scorer.path.read_bytes(), providers=[(scorer.provider, options)]
    )
    plain = scorer._session
    found = {}
    for number, size in enumerate(BATCH_SIZES, 1):
        batch = np.random.default_rng(size).integers(0, 256, (size, *spec.shape), np.uint8)
        wanted = plain.run(None, {scorer.manifest.input.name: batch})
        value = runtime.OrtValue.ortvalue_from_numpy(batch, device, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input(scorer.manifest.input.name, value)
        for output, values in zip(session.get_outputs(), wanted, strict=True):
            kept = runtime.OrtValue.ortvalue_from_shape_and_type(
                values.shape, values.dtype, device, 0
            )
            binding.bind_ortvalue_output(output.name, kept)  # a graph writes to a fixed address
        run_options = runtime.RunOptions()
        if provider != "cpu":
            run_options.add_run_config_entry("gpu_graph_id", str(number))

        def run(
            binding: Any = binding, value: Any = value, batch: Any = batch, how: Any = run_options
        ) -> Any:
            value.update_inplace(batch)
            session.run_with_iobinding(binding, how)
            return binding.copy_outputs_to_cpu()

        run(), run()  # the first runs allocate and record
        found[str(size)] = {**_rate(run, size, seconds), **_compare(wanted, run())}
    return found


def _compare(wanted: Sequence[Any], seen: Sequence[Any]) -> dict[str, Any]:
    """Return how far the outputs of two ways to run a graph are apart; NaN agrees with nothing."""
    most = float(np.max([np.abs(a - b).max() for a, b in zip(wanted, seen, strict=True)]))
    return {"largest_difference": most, "agrees": most <= OUTPUT_AGREEMENT}


def _in_flight(provider: Provider, seconds: float) -> dict[str, Any]:
    """Return images a second of one session that one thread or two threads call."""
    scorer = _load(provider, "auto")[-1]
    found = {}
    for size in (8, BATCH_SIZES[-1]):
        samples = _pictures(scorer, size)
        wanted = _values(scorer.score(samples))
        for threads in (1, 2):
            with ThreadPoolExecutor(threads) as pool:

                def run(pool: Any = pool, samples: Any = samples) -> list[list[Scores]]:
                    return list(pool.map(scorer.score, [samples] * 4))

                agrees = all(
                    abs(one - other) <= AGREEMENT
                    for scores in run()
                    for one, other in zip(wanted, _values(scores), strict=True)
                )
                rate = _rate(run, 4 * size, seconds)
                found[f"{size}, {threads} threads"] = {**rate, "agrees": agrees}
    return found


def _torch(provider: Provider, seconds: float, until: float) -> dict[str, Any]:
    """Return images a second of torchvision's MobileNetV2, plain and compiled, as many sizes as
    there is time for."""
    torch: Any = import_module("torch")
    models: Any = import_module("torchvision.models")
    device = "cpu" if provider == "cpu" else "cuda"
    dtype = torch.float32 if provider == "cpu" else torch.float16
    network = models.mobilenet_v2(weights=None).eval().to(device, dtype)
    network = network.to(memory_format=torch.channels_last)
    found: dict[str, Any] = {}
    for name, runs in (
        ("plain", network),
        ("compiled", torch.compile(network, mode="reduce-overhead")),
    ):
        found[name] = {}
        for size in BATCH_SIZES:
            if time.monotonic() > until:
                break
            batch = torch.zeros((size, 3, 224, 224), dtype=dtype, device=device)
            batch = batch.to(memory_format=torch.channels_last)

            def run(runs: Any = runs, batch: Any = batch) -> None:
                with torch.inference_mode():
                    runs(batch).cpu()

            found[name][str(size)] = _rate(run, size, seconds)
    return found


def _nvdec(seconds: float) -> dict[str, Any]:
    """Return keyframes a second of the decoder on the GPU and of the one on a core; the error of a
    decoder that does not work here."""
    av: Any = import_module("av")
    packets = keyframe_packets(get_clip(SEGMENT).read_bytes())
    found: dict[str, Any] = {}
    for name in ("h264", "h264_cuvid"):

        def run(name: str = name) -> None:
            decoder = av.CodecContext.create(name, "r")
            for packet in (*map(av.Packet, packets), None):
                decoder.decode(packet)

        try:
            found[name] = _rate(run, len(packets), seconds)
        except (av.FFmpegError, av.codec.codec.UnknownCodecError) as error:
            found[name] = {"error": str(error)}
    return found


def _rate(work: Part, each: float, seconds: float) -> dict[str, float]:
    """Return the median of units a second, over runs of at least ``seconds`` after two others."""
    work(), work()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while not times or time.perf_counter() < until:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return {"per_second": each * len(times) / sum(times), "median_ms": 1000 * median(times)}


if __name__ == "__main__":
    main()
