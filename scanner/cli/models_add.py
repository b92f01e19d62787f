"""The command ``streamwarden models add``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.models_recipe import ModelAddOptions
from scanner.cli.options import Config, Json, wants_json
from scanner.cli.terminal import new_table, open_console, sanitize
from scanner.compose import compose
from scanner.errors import SetupError
from scanner.model_import.add import AddedModel, add_model
from scanner.model_import.catalogue import CatalogueEntry, describe_adding, read_catalogue
from scanner.model_import.source import packaged_file
from scanner.scoring.manifest import Manifest
from scanner.scoring.registry import list_models
from scanner.settings.sections import ModelSettings, Settings, read_settings
from scanner.types import Label

__all__ = ["add_command"]

Name = Annotated[
    str | None,
    typer.Argument(
        help="A name in the catalogue, or a name of your own; without one, list the catalogue.",
        show_default=False,
    ),
]
SourceFile = Annotated[
    str | None,
    typer.Option("--from", metavar="FILE_OR_URL", help="The ONNX file, or its https address."),
]
TargetFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where to put the model's folder; by default the settings'."
    ),
]
Checksum = Annotated[str | None, typer.Option(help="SHA-256 of the file; required for an address.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=LABEL", help="The label of a column; may be repeated."),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="NAME,...", help="Names of the columns, in order; by default, numbers."),
]
InputSize = Annotated[
    str | None,
    typer.Option("--input", metavar="WxH", help="Picture size, if the graph has none."),
]
Fit = Annotated[str | None, typer.Option(help="squash, letterbox or crop.")]
Colour = Annotated[str | None, typer.Option(help="rgb or bgr.")]
Layout = Annotated[str | None, typer.Option(help="nhwc or nchw, if the graph does not say.")]
Scale = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Factor for pixels of 0 to 255: 1, or 1/255."),
]
Mean = Annotated[
    str | None,
    typer.Option(metavar="A,B,C", help="Subtracted after scaling, in the network's channel order."),
]
Std = Annotated[
    str | None, typer.Option(metavar="A,B,C", help="Divisor after subtracting the mean.")
]
OutputName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The output with the classes, if the graph has several."),
]
Activation = Annotated[
    str | None,
    typer.Option(help="softmax, sigmoid, or none if the graph returns probabilities."),
]
Combine = Annotated[str | None, typer.Option(help="sum or max, for several columns of one label.")]
Prior = Annotated[
    str | None,
    typer.Option(metavar="P", help="Share of positives that the probabilities assume (0.5)."),
]
OpenThreshold = Annotated[
    str | None, typer.Option(metavar="P", help="Probability from which on a label counts.")
]
DwellSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="How long the label must last.")
]
Licence = Annotated[str | None, typer.Option(help="Licence of the weights.")]
Origin = Annotated[str | None, typer.Option(help="Where the weights come from.")]
TrainingData = Annotated[str | None, typer.Option(help="What the model was trained on.")]


def add_command(
    context: typer.Context,
    name: Name = None,
    source: SourceFile = None,
    into: TargetFolder = None,
    sha256: Checksum = None,
    label: Labels = None,
    columns: Columns = None,
    size: InputSize = None,
    fit: Fit = None,
    colour: Colour = None,
    layout: Layout = None,
    scale: Scale = None,
    mean: Mean = None,
    std: Std = None,
    output: OutputName = None,
    activation: Activation = None,
    combine: Combine = None,
    prior: Prior = None,
    threshold: OpenThreshold = None,
    dwell: DwellSeconds = None,
    licence: Licence = None,
    origin: Origin = None,
    training_data: TrainingData = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a public image classifier: check it, adapt its input and output, and write its manifest
    and golden scores.

    Without a name: list the known classifiers, and how to add each.

    Examples:
      streamwarden models add
      streamwarden models add open-nsfw
      streamwarden models add nsfwjs --from nsfwjs.onnx
      streamwarden models add smoking --from smoking.onnx --columns other,smoking --label
      smoking=tobacco --scale 1/255
        --activation softmax --licence MIT --origin https://example.org/smoking
    """
    # One model validates all options, so they are read from the context by their names.
    options = ModelAddOptions.model_validate(context.params)
    if options.name is None:
        _write_catalogue(as_json=wants_json(options.as_json))
        return
    settings = read_settings(options.config)
    target = options.into or settings.models.install_dir
    added = _add(options, options.name, settings.models, target)
    _write_added(
        added, tuple(_added_notes(added, settings, target)), as_json=wants_json(options.as_json)
    )


def _add(options: ModelAddOptions, name: str, models: ModelSettings, target: Path) -> AddedModel:
    known = read_catalogue().get(name)
    recipe = options.to_recipe(name, known)
    source, pinned = options.source_file(name, known)
    _check_is_free(name, models, target)
    inside = None if known is None else known.file
    return add_model(
        name, recipe, source, target, sha256=pinned, inside=inside, provider=models.provider
    )


def _check_is_free(name: str, settings: ModelSettings, target: Path) -> None:
    """Check that no other folder has a model with this name, because a scan could not distinguish
    the two. ``add_model`` checks the target folder itself.

    Raises:
        SetupError: a scan already uses a model with this name.
    """
    added_dir = (
        settings.added_dir
        if settings.added_dir is not None and settings.added_dir.is_dir()
        else None
    )
    names = {manifest.name for manifest in list_models(settings.dir, added=added_dir)}
    if name in names and not (target / name).exists():
        raise SetupError(
            f"model {name}: a model with this name exists already; choose another name"
        )


def _added_notes(added: AddedModel, settings: Settings, target: Path) -> Iterator[str]:
    """Yield what the operator should know about scans with this model."""
    models, name = settings.models, added.manifest.name
    if target.resolve() != models.install_dir.resolve():
        yield f"scans do not read {target}: set models.added (or models.dir) to it"
        return
    if models.names is not None and name not in models.names:
        yield f"models.names does not name {name}, so scans leave it out"
        return
    program = compose(settings)
    manifests, policies = program.manifests, program.policies
    for label in added.manifest.labels:
        yield from _label_notes(label, name, manifests, shadow=policies.labels[label].shadow)


def _label_notes(
    label: Label, name: str, manifests: Sequence[Manifest], *, shadow: bool
) -> Iterator[str]:
    """Yield notes on one label: other models that score it, and whether it is in shadow."""
    scoring = [manifest for manifest in manifests if label in manifest.labels]
    others = [manifest for manifest in scoring if manifest.name != name]
    live = [other.name for other in others if label not in other.shadow]
    if live:
        yield (
            f"{label} is judged by {live[0]}: scores of {name} are recorded under shadow,"
            " and nothing else"
        )
        return
    if others:
        both = " and ".join(sorted((name, *(other.name for other in others))))
        yield (
            f"{label} is scored by {both}: the higher score counts,"
            f" at the training prior and under the policy of {scoring[0].name}"
        )
    if not shadow:
        yield f"{label} is not in shadow: it flags from now on, as the settings say"


def _write_catalogue(*, as_json: bool) -> None:
    """List the known classifiers."""
    rows = [_catalogue_row(name, known) for name, known in read_catalogue().items()]
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(row) + "\n")
        return
    table = new_table("Known public classifiers", "name", "scores", "labels", "licence", "how")
    for row in rows:
        default_for = ", ".join(row["default_for"])
        about = f"{row['about']} (the default for {default_for})" if default_for else row["about"]
        table.add_row(row["name"], about, ", ".join(row["labels"]), row["licence"], row["how"])
    open_console().print(table)


def _catalogue_row(name: str, known: CatalogueEntry) -> dict[str, Any]:
    installed = (
        known.package is not None
        and known.file is not None
        and packaged_file(known.package, known.file) is not None
    )
    return {
        "type": "known",
        "name": name,
        "about": known.about,
        "labels": list(known.labels),
        "licence": known.licence,
        "origin": known.origin,
        "default_for": list(known.default_for),
        "here": installed,
        "how": describe_adding(name, known),
    }


def _write_added(added: AddedModel, notes: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        document = {
            "type": "added",
            "model": str(added.manifest.ref),
            "folder": str(added.folder),
            **asdict(added.preflight),
        }
        document["walls"] = document.pop("restrictions")  # its key in version 0.1
        more = {
            "golden": len(added.golden.scores),
            "labels": list(added.manifest.labels),
            "licence": added.manifest.licence,
        }
        sys.stdout.write(
            json.dumps({**document, **more, "origin": added.manifest.origin, "notes": notes}) + "\n"
        )
        return
    for line in (*_facts(added), *(f"note: {note}" for note in notes)):
        open_console().print(sanitize(line))


def _facts(added: AddedModel) -> Iterator[str]:
    preflight, manifest = added.preflight, added.manifest
    opsets = ", ".join(
        f"{domain or 'onnx'} {version}" for domain, version in preflight.opsets.items()
    )
    operators = ", ".join(
        name if count == 1 else f"{name} x {count}" for name, count in preflight.operators.items()
    )
    placed = ", ".join(f"{count} on {provider}" for provider, count in preflight.nodes.items())
    scores = [value for picture in added.golden.scores for value in picture.values()]
    yield f"file       {preflight.size} bytes, sha256 {preflight.sha256}"
    yield f"opset      {opsets}"
    yield f"operators  {sum(preflight.operators.values())}: {operators}"
    yield f"input      {preflight.input}"
    yield f"output     {preflight.output}"
    yield f"pictures   {'any batch size' if preflight.batches else 'one at a time'}"
    yield f"placement  {placed}, once fused; {preflight.copies} copies between memories"
    yield f"tested     in a process of its own behind {', '.join(preflight.restrictions)}"
    yield (
        f"golden     scores of {len(added.golden.scores)} generated pictures,"
        f" {min(scores):.4f} to {max(scores):.4f}; `models check` compares them"
    )
    yield (
        f"labels     {', '.join(manifest.labels)}"
        " (priors assumed; in shadow unless the settings say otherwise)"
    )
    yield f"licence    {manifest.licence}"
    yield f"origin     {manifest.origin}"
    yield f"known      {manifest.quality['known']}"
    yield f"added      {manifest.ref} in {added.folder}"
