"""Models as ONNX files; the only module that uses onnxruntime.

A file becomes a session after its checksum, operators, inputs and outputs were checked against its
manifest. The session is returned after one run on the provider that was asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from scanner.errors import SetupError
from scanner.media.samples import Sample
from scanner.scoring.calibration import calibrate, class_probabilities, to_logits
from scanner.scoring.conformance import check_graph, check_shape, check_signature, check_values
from scanner.scoring.graph_facts import read_graph
from scanner.scoring.manifest import GraphFile, Manifest
from scanner.scoring.options import Precision, Provider
from scanner.types import FrameSpec, Gate, Label, Medium, ModelRef, Scores

__all__ = [
    "BATCH_SIZES",
    "OnnxScorer",
    "check_placement",
    "is_compiled_in",
    "load_onnx",
    "open_session",
    "padded_size",
    "run_session",
    "select_file",
]

MAX_BYTES: Final = 1 << 30
"""The largest model file; the runtime's own limit is 2 GiB."""
FATAL: Final = 4
"""The log severity of onnxruntime at which errors that it also raises are not written to stderr."""

BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32)
"""The sizes of batches on a GPU. onnxruntime tunes its convolutions anew for each size that comes,
so that any other number is filled up to the next of these."""
_COMPUTE: Final = frozenset({"Conv", "FusedConv", "ConvTranspose", "MatMul", "Gemm", "FusedMatMul"})
"""The operators that must run on the provider that was asked for."""

_WANTED: Final[dict[Provider, tuple[str, ...]]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_REMEDIES: Final[dict[Provider, str]] = {
    "cpu": "",
    "cuda": ": install streamwarden[cuda] and a driver for its CUDA version, or set "
    "models.provider to cpu; streamwarden doctor tests each provider",
    "tensorrt": ": install streamwarden[cuda] and TensorRT's libraries, or set "
    "models.provider to cuda or cpu; streamwarden doctor tests each provider",
}


class OnnxScorer:
    """A scorer that runs a checked model; created by ``load_onnx``."""

    def __init__(
        self,
        manifest: Manifest,
        session: onnxruntime.InferenceSession,
        *,
        batches: bool,
        path: Path,
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
        self.path = path
        """The file of the graph."""
        self.provider: str = session.get_providers()[0]
        """The provider that runs it, as onnxruntime names it."""
        self._session = session
        self._batches = batches
        self._outputs = tuple(output for output in manifest.outputs if output.kind != "embedding")
        self._names = [output.name for output in self._outputs]
        self._calibrations = [manifest.labels[label].calibration for label in self.labels]

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Score a batch: at once on a GPU, one sample after the other on a CPU, where that is
        faster.

        Raises:
            SetupError: the graph returns values that its manifest excludes, such as NaN or a
                probability above 1.
        """
        images = [sample.images[self.inputs[0]] for sample in batch]
        if not self._batches:
            return [scores for image in images for scores in self._run(image[None])]
        return [
            scores
            for start in range(0, len(images), BATCH_SIZES[-1])
            for scores in self._run_padded(images[start : start + BATCH_SIZES[-1]])
        ]

    def _run_padded(self, images: Sequence[NDArray[np.uint8]]) -> list[Scores]:
        """Score a batch that is filled up with black to one of ``BATCH_SIZES``."""
        batch = np.zeros((padded_size(len(images)), *images[0].shape), np.uint8)
        for row, image in enumerate(images):
            batch[row] = image
        return self._run(batch, len(images))

    def warm_up(self) -> None:
        """Run a black batch of each size that will come, which a GPU tunes its kernels for."""
        for size in BATCH_SIZES if self._batches else ():
            self._run(np.zeros((size, *self.manifest.input.spec.shape), np.uint8))

    def _run(self, images: NDArray[np.uint8], count: int | None = None) -> list[Scores]:
        """Score images of N x H x W x 3 uint8 RGB, or bursts of N x T x H x W x 3: the first
        ``count`` of them, by default all."""
        raw = self._session.run(self._names, {self.manifest.input.name: images})
        for output, values in zip(self._outputs, raw, strict=True):
            check_shape(self.manifest, output, values.shape, rows=len(images))
        columns = [values[:count].tolist() for values in raw]
        return [self._to_scores(rows) for rows in zip(*columns, strict=True)]

    def _to_scores(self, rows: Sequence[list[float]]) -> Scores:
        """Return the scores of one picture from its row of each output."""
        logits: list[float] = []
        medium: dict[Medium, float] = {}
        for output, row in zip(self._outputs, rows, strict=True):
            check_values(self.manifest, output, row)
            if output.kind == "label":
                logits.extend(to_logits(row, output))
            else:
                medium = dict(zip(self.media, class_probabilities(row, output), strict=True))
        return Scores(
            model=self.model,
            values=dict(zip(self.labels, calibrate(logits, self._calibrations), strict=True)),
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
    """Load the model in a folder and return its scorer.

    Raises:
        SetupError: the file does not conform to its manifest, or the provider or precision is not
            available.
    """
    file = select_file(manifest, provider=provider, precision=precision)
    data = _read_file(folder, file, manifest.name)
    check_graph(read_graph(data), manifest)
    session = _open_checked(data, manifest, provider, threads)
    scorer = OnnxScorer(
        manifest,
        session,
        path=folder / file.file,
        batches=provider != "cpu" and not isinstance(session.get_inputs()[0].shape[0], int),
    )
    scorer.warm_up()
    return scorer


def _open_checked(
    data: bytes, manifest: Manifest, provider: Provider, threads: int
) -> onnxruntime.InferenceSession:
    """Open a session that has run a black picture, on a GPU with a profile that tells where.

    Raises:
        SetupError: the graph does not conform to its manifest, or parts of it ran elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="streamwarden-") as folder:
        profile = None if provider == "cpu" else Path(folder) / "run"
        session = open_session(
            data, provider=provider, threads=threads, name=manifest.name, profile=profile
        )
        check_signature(session.get_inputs(), session.get_outputs(), manifest)
        _warm_up(session, manifest)
        if profile is not None:
            events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
            check_placement(events, provider, manifest.name)
    return session


def padded_size(count: int) -> int:
    """Return the size of the batch that this many images are filled up to.

    >>> padded_size(1), padded_size(5), padded_size(32)
    (1, 8, 32)
    """
    return next(size for size in BATCH_SIZES if size >= count)


def select_file(manifest: Manifest, *, provider: Provider, precision: Precision) -> GraphFile:
    """Return the file of a model for a provider and a precision.

    Raises:
        SetupError: the precision is fp16 and the model has no such file, or int8 and the provider
            is not the CPU.
    """
    if precision == "int8":
        if provider != "cpu":
            raise SetupError(
                f"models.precision is int8, which is for CPUs, models.provider is {provider}: "
                "set models.precision to auto"
            )
        return manifest.int8 or manifest.fp32
    if precision == "fp32" or (
        precision == "auto" and (provider == "cpu" or manifest.fp16 is None)
    ):
        return manifest.fp32
    if manifest.fp16 is None:
        raise SetupError(
            f"model {manifest.name}: has no fp16 file, models.precision is fp16: set it to auto"
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
    """Open a session on a provider.

    onnxruntime by itself falls back to the CPU without an error; here that is an error.

    Args:
        name: the model's name for messages.
        profile: the prefix of the file that the session writes when its profiling ends; None for
            no profile.

    Raises:
        SetupError: the runtime refuses the model, or the session runs on another provider.
    """
    if not is_compiled_in(provider):
        raise SetupError(
            f"model {name}: provider is {provider}, which this onnxruntime does not contain"
            f"{_REMEDIES[provider]}"
        )
    onnxruntime.set_default_logger_severity(FATAL)
    if provider != "cpu":
        _load_gpu_libraries()
    session = _create_session(model, _options(provider, threads, profile), provider, name)
    found = session.get_providers()[0]
    if found != _WANTED[provider][0]:
        raise SetupError(
            f"model {name}: session runs on {found}, wanted {provider}{_REMEDIES[provider]}"
        )
    return session


def _create_session(
    model: bytes, options: onnxruntime.SessionOptions, provider: Provider, name: str
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=list(_WANTED[provider]), enable_fallback=0
        )
    # A dozen classes of its own, RuntimeError and ValueError have no narrower common base.
    except Exception as error:
        raise SetupError(
            f"model {name}: onnxruntime refuses it on {provider}: {_first_line(error)}"
            f"{_REMEDIES[provider]}"
        ) from error


def check_placement(events: Sequence[Mapping[str, Any]], provider: Provider, name: str) -> None:
    """Check in the profile of a run that the work was done where it was asked for: a session on a
    GPU may still run single operators on the CPU.

    Args:
        events: the profile, as onnxruntime writes it.

    Raises:
        SetupError: a convolution or a matrix product ran elsewhere.
    """
    nodes = [event["args"] for event in events if event.get("cat") == "Node"]
    strays = Counter(
        node["op_name"]
        for node in nodes
        if node.get("op_name") in _COMPUTE
        and "provider" in node
        and node["provider"] not in _WANTED[provider]
    )
    if strays:
        raise SetupError(
            f"model {name}: {strays.total()} of its operators do not run on {provider}"
            f" ({', '.join(sorted(strays))}); {_REMEDIES[provider].removeprefix(': ')}"
        )


def run_session(
    session: onnxruntime.InferenceSession, names: Sequence[str], feeds: dict[str, NDArray[np.uint8]]
) -> list[NDArray[np.float32]]:
    """Run a session once and return the named outputs.

    Raises:
        SetupError: the run failed; the message is that of the runtime.
    """
    try:
        return list(session.run(list(names), feeds))
    except Exception as error:  # as in open_session
        raise SetupError(_first_line(error)) from error


def is_compiled_in(provider: Provider) -> bool:
    """Return whether this onnxruntime contains a provider, which may still not work here."""
    return _WANTED[provider][0] in onnxruntime.get_available_providers()


def _options(provider: Provider, threads: int, profile: Path | None) -> onnxruntime.SessionOptions:
    """Return options for one process per core: no spinning threads, all graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = FATAL
    # The plan of which tensors share memory compares each with all others: 0.35 s for a graph of
    # 1300 operators. On a CPU the arena reuses what was freed without it, as fast and as small.
    options.enable_mem_reuse = provider != "cpu"
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return options


def _load_gpu_libraries() -> None:
    """Load CUDA and cuDNN from their wheels, if installed.

    Its printed output is discarded; opening the session reports what is missing.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls(directory="")


def _read_file(folder: Path, graph: GraphFile, name: str) -> bytes:
    path = folder / graph.file
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise SetupError(f"model {name}: cannot read {path}: {error.strerror}") from error
    if size > MAX_BYTES:
        raise SetupError(f"model {name}: {path.name} has {size} bytes, limit is {MAX_BYTES}")
    found = hashlib.sha256(data).hexdigest()
    if found != graph.sha256:
        raise SetupError(
            f"model {name}: sha256 of {path.name} is {found[:12]}..., "
            f"its manifest states {graph.sha256[:12]}...: "
            "the file was changed or copied incompletely; copy it again"
        )
    return data


def _warm_up(session: onnxruntime.InferenceSession, manifest: Manifest) -> None:
    """Run a black picture: checks the size of variable dimensions, and allocates memory."""
    names = [output.name for output in manifest.outputs]
    black = np.zeros((1, *manifest.input.spec.shape), dtype=np.uint8)
    try:
        raw = run_session(session, names, {manifest.input.name: black})
    except SetupError as error:
        raise SetupError(f"model {manifest.name}: fails on a black picture: {error}") from error
    for output, values in zip(manifest.outputs, raw, strict=True):
        check_shape(manifest, output, values.shape, rows=1)
        check_values(manifest, output, values[0].tolist())


def _first_line(error: Exception) -> str:
    """Return the first line of onnxruntime's message, without the position in its sources."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", lines[0])[:300]
