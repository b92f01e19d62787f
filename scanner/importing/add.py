"""From somebody's file to a model folder of ours, in the order in which it can go wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from scanner.errors import SetupError
from scanner.importing.folder import manifest_text, staged, write_file
from scanner.importing.preflight import Preflight, check_rows, read_contents
from scanner.importing.recipe import Recipe
from scanner.importing.source import read_source
from scanner.scoring import LabelFacts, Manifest, Provider, load_onnx, read_manifest, record, write_golden
from scanner.scoring.golden import pictures
from scanner.scoring.manifest import FILENAME, Name
from scanner.scoring.trial import Trial, try_graph
from scanner.types import FrameSpec

if TYPE_CHECKING:
    from scanner.importing.wrap import Wrapped

__all__ = ["Added", "add_model"]

SEED: Final = 1
PICTURES: Final = 4
"""On which a network is tried before it is written."""
COMMENT: Final = "Written by `streamwarden models add`. The training priors are assumed, not measured, and so every label is in shadow."


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A model that can be used."""

    folder: Path
    manifest: Manifest
    preflight: Preflight


def add_model(name: str, recipe: Recipe, where: str, into: Path, *, sha256: str | None = None, provider: Provider = "cpu") -> Added:
    """Read, look at, wrap, try and write one network; ``into/name`` is there with all that belongs to it, or not at all.

    Raises:
        SetupError: the file, the recipe or the folder is wrong; the message says which and how to mend it.
        ScannerError: the file is at an address and cannot be had.
    """
    _check_name(name)
    wrapping = _wrapping()
    with staged(into / name) as folder:
        data = read_source(where, sha256=sha256)
        facts = read_contents(data, name)
        wrapped, trial = _tried(wrapping, wrapping.wrap(data, recipe, name=name), recipe, name, provider)
        source = hashlib.sha256(data).hexdigest()
        manifest = _manifest(name, recipe, wrapped, source)
        write_file(folder / manifest.file, wrapped.model)
        write_file(folder / FILENAME, manifest_text(manifest, comment=COMMENT).encode())
        write_golden(folder, record(load_onnx(folder, read_manifest(folder), provider=provider)))
    preflight = Preflight(
        sha256=source,
        size=len(data),
        opsets=facts.opsets,
        operators=tuple(sorted(operator for _, operator in facts.operators)),
        count=facts.nodes,
        input=str(wrapped.was.input),
        output=str(wrapped.was.output),
        provider=provider,
        nodes=trial.nodes,
        copies=trial.copies,
        batches=wrapped.batches,
    )
    return Added(folder=into / name, manifest=manifest, preflight=preflight)


def _tried(wrapping: ModuleType, wrapped: Wrapped, recipe: Recipe, name: str, provider: Provider) -> tuple[Wrapped, Trial]:
    """Run it; one that says that its batch may vary, and does not bear it, is made to say that it takes one picture."""
    spec = _spec(wrapped, recipe, name)
    drawn = np.stack(pictures(spec, seed=SEED, count=PICTURES))
    trial = try_graph(wrapped.model, drawn, provider=provider, name=name)
    check_rows(trial, name)
    if wrapped.batches and not trial.batches:
        wrapped = replace(wrapped, model=wrapping.fix_batch(wrapped.model), batches=False)
    return wrapped, trial


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as why:
        raise SetupError(f"model {name!r}: a name is made of a to z, 0 to 9 and . _ -, begins with a letter or digit, 64 at most") from why


def _spec(wrapped: Wrapped, recipe: Recipe, name: str) -> FrameSpec:
    try:
        return FrameSpec(width=wrapped.was.width, height=wrapped.was.height, fit=recipe.fit)
    except ValueError as why:
        raise SetupError(f"model {name}: takes pictures that cannot be made: {why}") from why


def _manifest(name: str, recipe: Recipe, wrapped: Wrapped, source: str) -> Manifest:
    sha256 = hashlib.sha256(wrapped.model).hexdigest()
    return Manifest.model_validate(
        {
            "name": name,
            "version": sha256[:12],
            "file": f"{name}.onnx",
            "sha256": sha256,
            "opset": wrapped.opset,
            "input": {"name": wrapped.input, "width": wrapped.was.width, "height": wrapped.was.height, "fit": recipe.fit},
            "outputs": [{"name": wrapped.output, "kind": "label", "labels": list(recipe.labels)}],
            "labels": {label: LabelFacts(training_prior=made.prior, policy=made.policy) for label, made in recipe.labels.items()},
            "licence": recipe.licence,
            "origin": recipe.origin,
            "training_data": recipe.training_data,
            "quality": {"known": recipe.quality, "training_prior": "assumed", "source_sha256": source},
        }
    )


def _wrapping() -> ModuleType:
    """The module that needs the package ``onnx``, which only this needs.

    Raises:
        SetupError: it is not installed.
    """
    try:
        from scanner.importing import wrap
    except ModuleNotFoundError as why:
        raise SetupError(
            f"models add rewrites graphs with the package {why.name}, which is not here: pip install streamwarden[import]"
        ) from why
    return wrap
