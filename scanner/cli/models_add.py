"""``streamwarden models add``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scanner.cli.models_recipe import Asked
from scanner.cli.options import Config, Json, wants_json
from scanner.cli.show import harmless, new_table
from scanner.errors import SetupError
from scanner.model_import.add import AddedModel, add_model
from scanner.model_import.catalogue import read_catalogue
from scanner.model_import.source import packaged_file
from scanner.runner import used_models
from scanner.scoring.registry import list_models
from scanner.settings.policies import compose_policies
from scanner.settings.sections import ModelSettings, Settings, read_settings

__all__ = ["add_command"]

Text = str | None


def add_command(  # the options are taken from the context, by their names here
    context: typer.Context,
    name: Annotated[
        Text,
        typer.Argument(
            help="One of the catalogue, or a name of your own; none lists the catalogue.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Text,
        typer.Option("--from", metavar="FILE_OR_URL", help="The ONNX file, or its https address."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where model folders lie, in place of the settings'."),
    ] = None,
    sha256: Annotated[Text, typer.Option(help="Of the file; a must for an address.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=LABEL", help="What a column means; may be given often."),
    ] = None,
    columns: Annotated[
        Text,
        typer.Option(
            metavar="NAME,...", help="Names of the columns, in order; else they go by number."
        ),
    ] = None,
    size: Annotated[
        Text, typer.Option("--input", metavar="WxH", help="Where the graph does not say.")
    ] = None,
    fit: Annotated[Text, typer.Option(help="squash, letterbox or crop.")] = None,
    colour: Annotated[Text, typer.Option(help="rgb or bgr.")] = None,
    layout: Annotated[
        Text, typer.Option(help="nhwc or nchw, where the graph does not say.")
    ] = None,
    scale: Annotated[
        Text, typer.Option(metavar="NUMBER", help="Times each pixel of 0 to 255: 1, or 1/255.")
    ] = None,
    mean: Annotated[
        Text,
        typer.Option(
            metavar="A,B,C", help="Taken off after scaling, in the network's order of channels."
        ),
    ] = None,
    std: Annotated[
        Text, typer.Option(metavar="A,B,C", help="What is left is divided by it.")
    ] = None,
    output: Annotated[
        Text,
        typer.Option(
            metavar="NAME", help="The graph's output with the classes, where it has several."
        ),
    ] = None,
    activation: Annotated[
        Text, typer.Option(help="softmax, sigmoid, or none where the graph gives probabilities.")
    ] = None,
    combine: Annotated[
        Text, typer.Option(help="sum or max, of several columns of one label.")
    ] = None,
    prior: Annotated[
        Text,
        typer.Option(metavar="P", help="Share of positives that the probabilities assume (0.5)."),
    ] = None,
    threshold: Annotated[
        Text, typer.Option(metavar="P", help="The probability from which a label counts.")
    ] = None,
    dwell: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long it must last.")
    ] = None,
    licence: Annotated[Text, typer.Option(help="Of the weights.")] = None,
    origin: Annotated[Text, typer.Option(help="Where the weights come from.")] = None,
    training_data: Annotated[Text, typer.Option(help="What it was trained on.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take in a public image classifier: look at it, put our input and output around it, write its
    manifest and golden scores.

    Without a name: the classifiers that are known, and how each is added.

    Examples:
      streamwarden models add
      streamwarden models add open-nsfw
      streamwarden models add nsfwjs --from nsfwjs.onnx
      streamwarden models add smoking --from smoking.onnx --columns other,smoking --label
      smoking=tobacco --scale 1/255
        --activation softmax --licence MIT --origin https://example.org/smoking
    """
    asked = Asked.model_validate(context.params)
    if asked.name is None:
        _tell_known(as_json=wants_json(asked.as_json))
        return
    settings = read_settings(asked.config)
    target = asked.into or settings.models.install_dir
    added = _add(asked, asked.name, settings.models, target)
    _tell_added(added, tuple(_notes(added, settings, target)), as_json=wants_json(asked.as_json))


def _add(asked: Asked, name: str, models: ModelSettings, target: Path) -> AddedModel:
    known = read_catalogue().get(name)
    recipe = asked.recipe(name, known)
    where, pinned = asked.where(name, known)
    _check_is_free(name, models, target)
    inside = None if known is None else known.file
    return add_model(
        name, recipe, where, target, sha256=pinned, inside=inside, provider=models.provider
    )


def _check_is_free(name: str, settings: ModelSettings, target: Path) -> None:
    """A scan could not tell two models of one name apart. One that is in the very place is
    ``add_model``'s to refuse.

    Raises:
        SetupError: a scan uses one of that name today.
    """
    beside = (
        settings.added_dir
        if settings.added_dir is not None and settings.added_dir.is_dir()
        else None
    )
    names = {manifest.name for manifest in list_models(settings.dir, added=beside)}
    if name in names and not (target / name).exists():
        raise SetupError(f"model {name}: there is one of that name already; add it under another")


def _notes(added: AddedModel, settings: Settings, target: Path) -> Iterator[str]:
    """What the operator would else find out late."""
    models, name = settings.models, added.manifest.name
    if target.resolve() != models.install_dir.resolve():
        yield f"scans do not read {target}: set models.added (or models.dir) to it"
        return
    if models.names is not None and name not in models.names:
        yield f"models.names does not name {name}, so scans leave it out"
        return
    manifests = used_models(settings)
    policies = compose_policies(settings, manifests)
    for label in added.manifest.labels:
        others = [
            manifest for manifest in manifests if label in manifest.labels and manifest.name != name
        ]
        live = [other.name for other in others if label not in other.shadow]
        if live:
            yield f"{label} is judged by {live[0]}: what {name} says of it is recorded under shadow, and nothing else"
            continue
        if others:
            both = " and ".join(sorted((name, *(other.name for other in others))))
            first = next(manifest.name for manifest in manifests if label in manifest.labels)
            yield f"{label} is said by {both}: the higher score counts, at the training prior and under the policy of {first}"
        if not policies.labels[label].shadow:
            yield f"{label} is not in shadow: it flags from now on, as the settings say"


def _tell_known(*, as_json: bool) -> None:
    """The catalogue."""
    table = new_table(
        "Public classifiers that are known", "name", "what it says", "labels", "licence", "how"
    )
    for name, known in read_catalogue().items():
        here = (
            known.package is not None
            and known.file is not None
            and packaged_file(known.package, known.file) is not None
        )
        how = f"streamwarden models add {name}" if here else known.hint
        row = {
            "type": "known",
            "name": name,
            "about": known.about,
            "labels": list(known.labels),
            "licence": known.licence,
        }
        if as_json:
            sys.stdout.write(
                json.dumps(
                    {
                        **row,
                        "origin": known.origin,
                        "default_for": known.default_for,
                        "here": here,
                        "how": how,
                    }
                )
                + "\n"
            )
        about = known.about + (
            f" (the default for {', '.join(known.default_for)})" if known.default_for else ""
        )
        table.add_row(name, about, ", ".join(known.labels), known.licence, how)
    if not as_json:
        Console().print(table)


def _tell_added(added: AddedModel, notes: tuple[str, ...], *, as_json: bool) -> None:
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
        Console().print(harmless(line), highlight=False)


def _facts(added: AddedModel) -> Iterator[str]:
    said, manifest = added.preflight, added.manifest
    yield f"file       {said.size} bytes, sha256 {said.sha256}"
    opsets = [f"{domain or 'onnx'} {version}" for domain, version in said.opsets.items()]
    yield f"opset      {', '.join(opsets)}"
    operators = ", ".join(
        name if count == 1 else f"{name} x {count}" for name, count in said.operators.items()
    )
    yield f"operators  {sum(said.operators.values())}: {operators}"
    yield f"input      {said.input}"
    yield f"output     {said.output}"
    yield f"pictures   {'any number at once' if said.batches else 'one at a time'}"
    placed = ", ".join(f"{count} on {provider}" for provider, count in said.nodes.items())
    yield f"placement  {placed}, once fused; {said.copies} copies between memories"
    yield f"tried      in a process of its own behind {', '.join(said.restrictions)}"
    scores = [value for picture in added.golden.scores for value in picture.values()]
    stored = f"scores of {len(added.golden.scores)} made-up pictures, {min(scores):.4f} to {max(scores):.4f}"
    yield f"golden     {stored}; models check runs them again"
    yield f"labels     {', '.join(manifest.labels)} (priors assumed; in shadow unless the settings say else)"
    yield f"licence    {manifest.licence}"
    yield f"origin     {manifest.origin}"
    yield f"known      {manifest.quality['known']}"
    yield f"added      {manifest.ref} in {added.folder}"
