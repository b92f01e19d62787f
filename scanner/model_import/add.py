"""Adding a model: all steps from a file to a model folder, in the order in which they can fail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from scanner.errors import SetupError
from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.folder import MARK, manifest_text, staging_folder, write_file
from scanner.model_import.preflight import Preflight, check_file, check_outputs, count_operators
from scanner.model_import.source import read_source
from scanner.scoring.golden import COUNT_WITH_TEXT, GoldenScores, record_golden, write_golden
from scanner.scoring.graph_facts import GraphFacts
from scanner.scoring.graph_run import GraphRun, run_graph
from scanner.scoring.manifest import FILENAME, LabelFacts, Manifest, Name, read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import Provider

if TYPE_CHECKING:
    from scanner.model_import.wrap import WrappedGraph

__all__ = ["AddedModel", "add_model"]

COMMENT: Final = (
    f"{MARK}. The training priors are assumed, not measured, and so every label is in shadow."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedModel:
    """A model that was added and can be used."""

    folder: Path
    manifest: Manifest
    preflight: Preflight
    golden: GoldenScores


@dataclass(frozen=True, slots=True, kw_only=True)
class _TriedGraph:
    """A wrapped network with the results of its trial run."""

    wrapped: WrappedGraph
    run: GraphRun
    restrictions: tuple[str, ...]
    """The sandbox restrictions that were active during the first run."""


def add_model(
    name: str,
    classifier: ClassifierSpec,
    source: str,
    into: Path,
    *,
    sha256: str | None = None,
    inside: str | None = None,
    provider: Provider = "cpu",
) -> AddedModel:
    """Read, check, wrap and try a network, and write its model folder.

    The folder ``into/name`` appears complete or not at all.

    Args:
        name: the name of the new model.
        classifier: how the network takes pictures and what its columns mean.
        source: the path or address of the ONNX file.
        into: the folder of models.
        sha256: the checksum that the file must have; required for an address.
        inside: the path of the file in a wheel.
        provider: the provider of the trial run.

    Raises:
        SetupError: the file, its description or the folder is invalid; the message states which
            and what to do.
        ScannerError: the file is at an address and cannot be downloaded.
    """
    _check_name(name)
    sandboxed = _import_sandboxed()
    with staging_folder(into / name) as folder:
        data = read_source(source, sha256=sha256, inside=inside)
        facts = check_file(data, name)
        tried = _try_graph(sandboxed, data, classifier, name, provider)
        preflight = _preflight(data, facts, tried, provider)
        manifest = _make_manifest(name, classifier, tried.wrapped, preflight.sha256)
        golden = _write_folder(folder, manifest, tried.wrapped.model, provider)
    return AddedModel(folder=into / name, manifest=manifest, preflight=preflight, golden=golden)


def _preflight(data: bytes, facts: GraphFacts, tried: _TriedGraph, provider: Provider) -> Preflight:
    return Preflight(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        opsets=facts.opsets,
        operators=count_operators(facts),
        input=str(tried.wrapped.original.input),
        output=str(tried.wrapped.original.output),
        provider=provider,
        nodes=tried.run.nodes,
        copies=tried.run.copies,
        restrictions=tried.restrictions,
        batches=tried.wrapped.batches,
    )


def _try_graph(
    sandboxed: ModuleType, data: bytes, classifier: ClassifierSpec, name: str, provider: Provider
) -> _TriedGraph:
    """Wrap and run the network in the sandbox first, then in this process, as a scan runs it.

    A graph that declares a variable batch and fails on one is wrapped again for single pictures.
    """
    from scanner.model_import.task import WrapRequest, picture_spec, trial_pictures

    with sandboxed.ImportSandbox(data, name) as sandbox:
        restrictions = sandbox.restrictions
        wrapped = sandbox.wrap(WrapRequest(classifier=classifier))
        pictures = trial_pictures(picture_spec(wrapped, classifier, name))
        run = run_graph(wrapped.model, pictures, provider=provider, name=name)
        check_outputs(run, name)
        if wrapped.batches and not run.batches:
            wrapped = sandbox.wrap(WrapRequest(classifier=classifier, single_picture=True))
    return _TriedGraph(wrapped=wrapped, run=run, restrictions=restrictions)


def _write_folder(
    folder: Path, manifest: Manifest, model: bytes, provider: Provider
) -> GoldenScores:
    """Write the three files of a model folder; golden scores come from the model as written."""
    write_file(folder / manifest.file, model)
    write_file(folder / FILENAME, manifest_text(manifest, comment=COMMENT).encode())
    scorer = load_onnx(folder, read_manifest(folder), provider=provider)
    golden = record_golden(scorer, count=COUNT_WITH_TEXT)
    write_golden(folder, golden)
    return golden


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise SetupError(
            f"model {name!r}: is not a valid name, wanted up to 64 of a to z, 0 to 9 and . _ -, "
            "beginning with a letter or digit"
        ) from error


def _make_manifest(
    name: str, classifier: ClassifierSpec, wrapped: WrappedGraph, source_sha256: str
) -> Manifest:
    sha256 = hashlib.sha256(wrapped.model).hexdigest()
    labels = list(classifier.labels)
    return Manifest.model_validate(
        {
            "name": name,
            "version": sha256[:12],
            "file": f"{name}.onnx",
            "sha256": sha256,
            "opset": wrapped.opset,
            "input": {
                "name": wrapped.input,
                "width": wrapped.original.width,
                "height": wrapped.original.height,
                "fit": classifier.fit,
            },
            "outputs": [{"name": wrapped.output, "kind": "label", "labels": labels}],
            "labels": {
                label: LabelFacts(training_prior=spec.prior, policy=spec.policy)
                for label, spec in classifier.labels.items()
            },
            "licence": classifier.licence,
            "origin": classifier.origin,
            "training_data": classifier.training_data,
            "quality": {
                "known": classifier.quality,
                "training_prior": "assumed",
                "source_sha256": source_sha256,
            },
        }
    )


def _import_sandboxed() -> ModuleType:
    """Import the module that needs the optional package ``onnx``.

    Raises:
        SetupError: the package is not installed.
    """
    try:
        from scanner.model_import import sandboxed
    except ModuleNotFoundError as error:
        raise SetupError(
            f"models add needs the package {error.name} (the extra `import`), which is not"
            f" installed: pip install {error.name}"
        ) from error
    return sandboxed
