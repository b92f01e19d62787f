"""Models as ONNX files: the only door of onnxruntime.

A file becomes a session only after its checksum, operators, inputs and outputs were held against
its manifest, and the session is handed out only after it ran once on the provider that was asked
for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from scanner.errors import SetupError
from scanner.media.samples import Sample
from scanner.scoring.calibration import calibrated, logits, shares
from scanner.scoring.manifest import GraphFile, Manifest
from scanner.scoring.options import Precision, Provider
from scanner.scoring.promises import check_graph, check_shape, check_signature, check_values
from scanner.scoring.wire import read_graph
from scanner.types import FrameSpec, Gate, Label, Medium, ModelRef, Scores

__all__ = [
    "OnnxScorer",
    "graph_file",
    "is_compiled_in",
    "load_onnx",
    "open_session",
    "run_session",
]

MAX_BYTES: Final = 1 << 30
"""Of a model file; the runtime itself stops at 2 GiB."""
FATAL: Final = 4
"""Of onnxruntime's severities: it would else write what we raise to stderr, in red, a second time.
"""

_WANTED: Final[dict[Provider, tuple[str, ...]]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_REMEDIES: Final[dict[Provider, str]] = {
    "cpu": "",
    "cuda": ": install streamwarden[cuda] and a driver for its CUDA version, or set provider to cpu; streamwarden doctor tries each",
    "tensorrt": ": install TensorRT's libraries beside streamwarden[cuda], or set provider to cuda or cpu; streamwarden doctor tries each",
}


class OnnxScorer:
    """A model that was checked, and its session. Made by ``load_onnx``; its memory goes with it."""

    def __init__(
        self, manifest: Manifest, session: onnxruntime.InferenceSession, *, batches: bool
    ) -> None:
        self.model: ModelRef = manifest.ref
        self.inputs: tuple[FrameSpec, ...] = (manifest.input.spec,)
        self.labels: tuple[Label, ...] = manifest.scored_labels
        self.media: tuple[Medium, ...] = manifest.media
        gate = manifest.gate
        self.gate: Gate | None = (
            None
            if gate is None
            else Gate(label=gate.label, above=gate.above, when=frozenset(gate.when))
        )
        self.shadow: frozenset[Label] = manifest.shadow
        self.manifest = manifest
        self.provider: str = session.get_providers()[0]
        """Where it runs, in the runtime's own word."""
        self._session = session
        self._batches = batches
        self._outputs = tuple(output for output in manifest.outputs if output.kind != "embedding")
        self._names = [output.name for output in self._outputs]
        self._calibrations = [manifest.labels[label].calibration for label in self.labels]

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """One for each sample. A GPU takes the batch at once; a CPU takes it one by one, which is
        faster there.

        Raises:
            SetupError: the graph breaks its manifest's word: not a number, or a probability that is
                none.
        """
        images = [sample.images[self.inputs[0]] for sample in batch]
        if not self._batches:
            return [scores for image in images for scores in self._run(image[None])]
        return self._run(np.stack(images)) if images else []

    def _run(self, images: NDArray[np.uint8]) -> list[Scores]:
        """N x H x W x 3 uint8 RGB, or N x T x H x W x 3."""
        raw = self._session.run(self._names, {self.manifest.input.name: images})
        for output, values in zip(self._outputs, raw, strict=True):
            check_shape(self.manifest, output, values.shape, rows=len(images))
        columns = [values.tolist() for values in raw]
        return [self._scores(rows) for rows in zip(*columns, strict=True)]

    def _scores(self, rows: Sequence[list[float]]) -> Scores:
        """Of one picture, from the row that each output has for it."""
        values: list[float] = []
        medium: dict[Medium, float] = {}
        for output, row in zip(self._outputs, rows, strict=True):
            check_values(self.manifest, output, row)
            if output.kind == "label":
                values.extend(logits(row, output))
            else:
                medium = dict(zip(self.media, shares(row, output), strict=True))
        return Scores(
            model=self.model,
            values=dict(zip(self.labels, calibrated(values, self._calibrations), strict=True)),
            medium=medium,
        )


def load_onnx(
    folder: Path,
    manifest: Manifest,
    *,
    provider: Provider = "cpu",
    precision: Precision = "auto",
    threads: int = 1,
) -> OnnxScorer:
    """The scorer of a model's folder, ready to run.

    Raises:
        SetupError: the file is not what its manifest says, or the provider or the precision is not
            there.
    """
    data = _read(
        folder, graph_file(manifest, provider=provider, precision=precision), manifest.name
    )
    check_graph(read_graph(data), manifest)
    session = open_session(data, provider=provider, threads=threads, name=manifest.name)
    check_signature(session.get_inputs(), session.get_outputs(), manifest)
    _rehearse(session, manifest)
    return OnnxScorer(
        manifest,
        session,
        batches=provider != "cpu" and not isinstance(session.get_inputs()[0].shape[0], int),
    )


def graph_file(manifest: Manifest, *, provider: Provider, precision: Precision) -> GraphFile:
    """The file that runs on this provider with this precision.

    Raises:
        SetupError: fp16 is a must and the model has none.
    """
    if precision == "fp32" or (
        precision == "auto" and (provider == "cpu" or manifest.fp16 is None)
    ):
        return manifest.fp32
    if manifest.fp16 is None:
        raise SetupError(
            f"model {manifest.name}: has no fp16 file and models.precision is fp16: set it to auto"
        )
    return manifest.fp16


def open_session(
    model: bytes,
    *,
    provider: Provider,
    threads: int = 1,
    name: str = "model",
    profile: Path | None = None,
) -> onnxruntime.InferenceSession:
    """A session that runs on the provider asked for; it writes a file that begins with ``profile``
    when its profiling ends.

    onnxruntime falls back to the CPU without an error, many times slower; here that is one.

    Raises:
        SetupError: the runtime refuses the model, or gives another provider.
    """
    wanted = _WANTED[provider]
    if not is_compiled_in(provider):
        raise SetupError(
            f"model {name}: {provider} was asked for and is not in this onnxruntime{_REMEDIES[provider]}"
        )
    onnxruntime.set_default_logger_severity(FATAL)
    if provider != "cpu":
        _load_gpu_libraries()
    try:
        session = onnxruntime.InferenceSession(
            model, _options(threads, profile), providers=list(wanted), enable_fallback=0
        )
    except (
        Exception
    ) as why:  # its own dozen classes, RuntimeError and ValueError: nothing narrower holds them all
        raise SetupError(
            f"model {name}: onnxruntime refuses it on {provider}: {_first_line(why)}{_REMEDIES[provider]}"
        ) from why
    got = session.get_providers()[0]
    if got != wanted[0]:
        raise SetupError(
            f"model {name}: {provider} was asked for, the session got {got}{_REMEDIES[provider]}"
        )
    return session


def run_session(
    session: onnxruntime.InferenceSession, names: Sequence[str], feeds: dict[str, NDArray[np.uint8]]
) -> list[NDArray[np.float32]]:
    """The outputs of one run.

    Raises:
        SetupError: the runtime's own words for why it failed.
    """
    try:
        return list(session.run(list(names), feeds))
    except Exception as why:  # its own dozen classes again
        raise SetupError(_first_line(why)) from why


def is_compiled_in(provider: Provider) -> bool:
    """Whether this onnxruntime was built with it, which does not say that it works here."""
    return _WANTED[provider][0] in onnxruntime.get_available_providers()


def _options(threads: int, profile: Path | None) -> onnxruntime.SessionOptions:
    """One process for each core instead of threads that spin, and every graph optimisation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = FATAL
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return options


def _load_gpu_libraries() -> None:
    """CUDA and cuDNN from their wheels, where they are installed.

    What it prints is of no use: the session tells.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls(directory="")


def _read(folder: Path, graph: GraphFile, name: str) -> bytes:
    path = folder / graph.file
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as why:
        raise SetupError(f"model {name}: cannot read {path}: {why.strerror}") from why
    if size > MAX_BYTES:
        raise SetupError(f"model {name}: {path.name} has {size} bytes, limit is {MAX_BYTES}")
    found = hashlib.sha256(data).hexdigest()
    if found != graph.sha256:
        raise SetupError(
            f"model {name}: sha256 of {path.name} is {found[:12]}..., its manifest says {graph.sha256[:12]}...: "
            "the file was changed or not fully copied; get it again"
        )
    return data


def _rehearse(session: onnxruntime.InferenceSession, manifest: Manifest) -> None:
    """One run on a black picture: what open dimensions come to, and the first run's allocations out
    of the way."""
    names = [output.name for output in manifest.outputs]
    black = np.zeros((1, *manifest.input.spec.shape), dtype=np.uint8)
    try:
        raw = run_session(session, names, {manifest.input.name: black})
    except SetupError as why:
        raise SetupError(f"model {manifest.name}: fails on a black picture: {why}") from why
    for output, values in zip(manifest.outputs, raw, strict=True):
        check_shape(manifest, output, values.shape, rows=1)
        check_values(manifest, output, values[0].tolist())


def _first_line(why: Exception) -> str:
    """Of onnxruntime's own words, without the place in its sources that it begins with."""
    lines = str(why).strip().splitlines() or [type(why).__name__]
    return re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", lines[0])[:300]
