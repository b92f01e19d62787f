"""``streamwarden models add``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.show import harmless
from scanner.config import ModelSettings, Settings, compose_policies, read_settings
from scanner.errors import SetupError
from scanner.importing import Added, Known, Recipe, add_model, packaged_file, read_catalogue
from scanner.runner import used_models
from scanner.scoring import list_models

__all__ = ["add_command"]

Text = str | None


def add_command(
    name: Annotated[str, typer.Argument(help="One of the catalogue, or a name of your own.", show_default=False)],
    source: Annotated[Text, typer.Option("--from", metavar="FILE_OR_URL", help="The ONNX file, or its https address.")] = None,
    into: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where model folders lie, in place of the settings'.")] = None,
    sha256: Annotated[Text, typer.Option(help="Of the file; a must for an address.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="COLUMN=LABEL", help="What a column means; may be given often.")] = None,
    columns: Annotated[Text, typer.Option(metavar="NAME,...", help="Names of the columns, in order; else they go by number.")] = None,
    size: Annotated[Text, typer.Option("--input", metavar="WxH", help="Where the graph does not say.")] = None,
    fit: Annotated[Text, typer.Option(help="squash, letterbox or crop.")] = None,
    colour: Annotated[Text, typer.Option(help="rgb or bgr.")] = None,
    layout: Annotated[Text, typer.Option(help="nhwc or nchw, where the graph does not say.")] = None,
    scale: Annotated[Text, typer.Option(metavar="NUMBER", help="Times each pixel of 0 to 255: 1, or 1/255.")] = None,
    mean: Annotated[Text, typer.Option(metavar="A,B,C", help="Taken off after scaling, in the network's order of channels.")] = None,
    std: Annotated[Text, typer.Option(metavar="A,B,C", help="What is left is divided by it.")] = None,
    output: Annotated[Text, typer.Option(metavar="NAME", help="The graph's output with the classes, where it has several.")] = None,
    activation: Annotated[Text, typer.Option(help="softmax, sigmoid, or none where the graph gives probabilities.")] = None,
    combine: Annotated[Text, typer.Option(help="sum or max, of several columns of one label.")] = None,
    prior: Annotated[Text, typer.Option(metavar="P", help="Share of positives that the probabilities assume (0.5).")] = None,
    threshold: Annotated[Text, typer.Option(metavar="P", help="The probability from which a label counts.")] = None,
    dwell: Annotated[float | None, typer.Option(metavar="SECONDS", help="How long it must last.")] = None,
    licence: Annotated[Text, typer.Option(help="Of the weights.")] = None,
    origin: Annotated[Text, typer.Option(help="Where the weights come from.")] = None,
    training_data: Annotated[Text, typer.Option(help="What it was trained on.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take in a public image classifier: look at it, put our input and output around it, write its manifest and golden scores.

    Examples:
      streamwarden models add open-nsfw
      streamwarden models add nsfwjs --from nsfwjs.onnx
      streamwarden models add smoking --from smoking.onnx --columns other,smoking --label smoking=tobacco --scale 1/255
        --activation softmax --licence MIT --origin https://example.org/smoking
    """
    settings = read_settings(config)
    said = {
        **_size(size),
        **_split(columns=columns, mean=mean, std=std),
        "fit": fit,
        "colour": colour,
        "layout": layout,
        "scale": scale,
        "output": output,
        "activation": activation,
        "combine": combine,
        "licence": licence,
        "origin": origin,
        "training_data": training_data,
    }
    judged = {"prior": prior, "threshold": threshold, "dwell": dwell}
    known = read_catalogue().get(name)
    recipe = _recipe(name, known, _given(said), label or [], _given(judged))
    where, pinned = _where(name, known, source, sha256)
    target = into or settings.models.target
    _check_is_free(name, settings.models, target)
    added = add_model(name, recipe, where, target, sha256=pinned, provider=settings.models.provider)
    notes = tuple(_notes(added, settings, target))
    if wants_json(as_json):
        document = {"type": "added", "model": str(added.manifest.ref), "folder": str(added.folder), **asdict(added.preflight)}
        sys.stdout.write(json.dumps({**document, "labels": list(added.manifest.labels), "notes": notes}) + "\n")
        return
    for line in (*_facts(added), *(f"note: {note}" for note in notes)):
        Console().print(harmless(line), highlight=False)


def _recipe(name: str, known: Known | None, said: Mapping[str, Any], labels: Sequence[str], judged: Mapping[str, Any]) -> Recipe:
    if known is not None:
        if said or labels or judged:
            raise SetupError(f"{name} is in the catalogue, which says how it is used: give another name to say it yourself")
        return known
    if not labels:
        known_names = ", ".join(read_catalogue())
        raise SetupError(f"{name} is not in the catalogue ({known_names}): say what its columns mean, --label COLUMN=LABEL")
    try:
        return Recipe.model_validate({**said, "labels": _labels(labels, judged)})
    except ValidationError as why:
        raise SetupError("; ".join(_complaints(why))) from why


def _labels(given: Sequence[str], judged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {}
    for pair in given:
        column, equals, label = pair.partition("=")
        if not (column and equals and label):
            raise SetupError(f"--label {pair!r}: wanted COLUMN=LABEL, such as porn=explicit_nudity")
        entry = labels.setdefault(label, {"columns": [], **judged})
        entry["columns"].append(column)
    return labels


def _where(name: str, known: Known | None, source: str | None, sha256: str | None) -> tuple[str, str | None]:
    """The file and the checksum that it must have."""
    pinned = sha256 or (known.sha256 if known is not None else None)
    if source is not None:
        return source, pinned
    if known is None:
        raise SetupError(f"{name}: name its ONNX file or address with --from")
    found = packaged_file(known.package, known.file) if known.package and known.file else None
    if found is None:
        raise SetupError(f"{name}: {known.hint}")
    return str(found), pinned


def _check_is_free(name: str, settings: ModelSettings, target: Path) -> None:
    """A scan could not tell two models of one name apart. One that is in the very place is ``add_model``'s to refuse.

    Raises:
        SetupError: a scan uses one of that name today.
    """
    beside = settings.beside if settings.beside is not None and settings.beside.is_dir() else None
    names = {manifest.name for manifest in list_models(settings.dir, added=beside)}
    if name in names and not (target / name).exists():
        raise SetupError(f"model {name}: there is one of that name already; add it under another")


def _notes(added: Added, settings: Settings, target: Path) -> Iterator[str]:
    """What the operator would else find out late."""
    models, name = settings.models, added.manifest.name
    if target.resolve() != models.target.resolve():
        yield f"scans do not read {target}: set models.added (or models.dir) to it"
        return
    if models.names is not None and name not in models.names:
        yield f"models.names does not name {name}, so scans leave it out"
        return
    manifests = used_models(settings)
    policies = compose_policies(settings, manifests)
    for label in added.manifest.labels:
        known = [manifest.name for manifest in manifests if label in manifest.labels]
        state = "in shadow" if policies.labels[label].shadow else "not in shadow: it flags from now on"
        if len(known) > 1:
            yield f"{label} is said by {' and '.join(known)}: the higher score counts, under the policy and prior of {known[0]}, {state}"
        elif not policies.labels[label].shadow:
            yield f"{label} is {state}, as the settings say"


def _facts(added: Added) -> Iterator[str]:
    said = added.preflight
    yield f"file       {said.size} bytes, sha256 {said.sha256}"
    opsets = [f"{domain or 'onnx'} {version}" for domain, version in said.opsets.items()]
    yield f"opset      {', '.join(opsets)}"
    yield f"operators  {said.count}: {', '.join(said.operators)}"
    yield f"input      {said.input}"
    yield f"output     {said.output}"
    yield f"pictures   {'any number at once' if said.batches else 'one at a time'}"
    placed = ", ".join(f"{count} on {provider}" for provider, count in said.nodes.items())
    yield f"placement  {placed}, once fused; {said.copies} copies between memories"
    yield f"labels     {', '.join(added.manifest.labels)} (priors assumed; in shadow unless the settings say else)"
    yield f"licence    {added.manifest.licence}"
    yield f"known      {added.manifest.quality['known']}"
    yield f"added      {added.manifest.ref} in {added.folder}"


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _split(**values: str | None) -> dict[str, list[str] | None]:
    return {key: None if value is None else [part.strip() for part in value.split(",")] for key, value in values.items()}


def _size(size: str | None) -> dict[str, int]:
    if size is None:
        return {}
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise SetupError(f"--input {size!r}: wanted WIDTHxHEIGHT, such as 224x224")
    return {"width": int(width), "height": int(height)}


def _complaints(why: ValidationError) -> Iterator[str]:
    for error in why.errors(include_url=False):
        option = "--" + str(error["loc"][0]).replace("_", "-") + ": " if error["loc"] else ""
        yield option.replace("--labels", "--label") + error["msg"].removeprefix("Value error, ")
