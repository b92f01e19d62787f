"""From somebody's file to a model folder of ours, in the order in which it can go wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from scanner.errors import SetupError
from scanner.importing.folder import manifest_text, staged, write_file
from scanner.importing.preflight import Preflight, check_rows, counted, read_contents
from scanner.importing.recipe import Recipe
from scanner.importing.source import read_source
from scanner.scoring.golden import COUNT_WITH_TEXT, GoldenScores, record_golden, write_golden
from scanner.scoring.graph_run import GraphRun, run_graph
from scanner.scoring.manifest import FILENAME, LabelFacts, Manifest, Name, read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import Provider

if TYPE_CHECKING:
    from scanner.importing.wrap import Wrapped

__all__ = ["Added", "add_model"]

COMMENT: Final = "Written by `streamwarden models add`. The training priors are assumed, not measured, and so every label is in shadow."


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A model that can be used."""

    folder: Path
    manifest: Manifest
    preflight: Preflight
    golden: GoldenScores


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A network in our form, and what its trial showed."""

    wrapped: Wrapped
    trial: GraphRun
    walls: tuple[str, ...]


def add_model(
    name: str,
    recipe: Recipe,
    where: str,
    into: Path,
    *,
    sha256: str | None = None,
    inside: str | None = None,
    provider: Provider = "cpu",
) -> Added:
    """Read, look at, wrap, try and write one network; ``into/name`` is there with all that belongs
    to it, or not at all.

    Raises:
        SetupError: the file, the recipe or the folder is wrong; the message says which and how to
            mend it.
        ScannerError: the file is at an address and cannot be had.
    """
    _check_name(name)
    workshop = _workshop()
    with staged(into / name) as folder:
        data = read_source(where, sha256=sha256, inside=inside)
        facts = read_contents(data, name)
        tried = _tried(workshop, data, recipe, name, provider)
        source = hashlib.sha256(data).hexdigest()
        manifest, golden = _written(
            folder, _manifest(name, recipe, tried.wrapped, source), tried.wrapped.model, provider
        )
    preflight = Preflight(
        sha256=source,
        size=len(data),
        opsets=facts.opsets,
        operators=counted(facts),
        input=str(tried.wrapped.was.input),
        output=str(tried.wrapped.was.output),
        provider=provider,
        nodes=tried.trial.nodes,
        copies=tried.trial.copies,
        walls=tried.walls,
        batches=tried.wrapped.batches,
    )
    return Added(folder=into / name, manifest=manifest, preflight=preflight, golden=golden)


def _tried(
    workshop: ModuleType, data: bytes, recipe: Recipe, name: str, provider: Provider
) -> _Tried:
    """Behind walls first, and then here, as a scan will run it.

    One that says that its batch may vary, and does not bear it, is made to say that it takes one
    picture.
    """
    from scanner.importing.task import Order, made_up_pictures, picture_spec

    with workshop.Workshop(data, name) as walled:
        walls, wrapped = walled.walls, walled.made(Order(recipe=recipe))
        drawn = made_up_pictures(picture_spec(wrapped, recipe, name))
        trial = run_graph(wrapped.model, drawn, provider=provider, name=name)
        check_rows(trial, name)
        if wrapped.batches and not trial.batches:
            wrapped = walled.made(Order(recipe=recipe, alone=True))
    return _Tried(wrapped=wrapped, trial=trial, walls=walls)


def _written(
    folder: Path, manifest: Manifest, model: bytes, provider: Provider
) -> tuple[Manifest, GoldenScores]:
    """The folder's three files; what is said of made-up pictures comes from the model as it lies
    there."""
    write_file(folder / manifest.file, model)
    write_file(folder / FILENAME, manifest_text(manifest, comment=COMMENT).encode())
    golden = record_golden(
        load_onnx(folder, read_manifest(folder), provider=provider), count=COUNT_WITH_TEXT
    )
    write_golden(folder, golden)
    return manifest, golden


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as why:
        raise SetupError(
            f"model {name!r}: a name is made of a to z, 0 to 9 and . _ -, begins with a letter or digit, 64 at most"
        ) from why


def _manifest(name: str, recipe: Recipe, wrapped: Wrapped, source: str) -> Manifest:
    sha256 = hashlib.sha256(wrapped.model).hexdigest()
    return Manifest.model_validate(
        {
            "name": name,
            "version": sha256[:12],
            "file": f"{name}.onnx",
            "sha256": sha256,
            "opset": wrapped.opset,
            "input": {
                "name": wrapped.input,
                "width": wrapped.was.width,
                "height": wrapped.was.height,
                "fit": recipe.fit,
            },
            "outputs": [{"name": wrapped.output, "kind": "label", "labels": list(recipe.labels)}],
            "labels": {
                label: LabelFacts(training_prior=made.prior, policy=made.policy)
                for label, made in recipe.labels.items()
            },
            "licence": recipe.licence,
            "origin": recipe.origin,
            "training_data": recipe.training_data,
            "quality": {
                "known": recipe.quality,
                "training_prior": "assumed",
                "source_sha256": source,
            },
        }
    )


def _workshop() -> ModuleType:
    """The module that needs the package ``onnx``, which only this needs.

    Raises:
        SetupError: it is not installed.
    """
    try:
        from scanner.importing import walled
    except ModuleNotFoundError as why:
        raise SetupError(
            f"models add rewrites graphs with the package {why.name}, which is not here: pip install streamwarden[import]"
        ) from why
    return walled
