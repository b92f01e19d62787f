"""The commands ``streamwarden models list``, ``models check`` and ``models remove``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.models_add import add_command
from scanner.cli.options import Config, Json, wants_json
from scanner.cli.show import describe_uncovered
from scanner.cli.status import Status
from scanner.cli.terminal import OutputTable, new_table, open_console
from scanner.errors import SetupError
from scanner.model_import.folder import find_added
from scanner.risk.policy import Policies
from scanner.scoring.manifest import Manifest
from scanner.scoring.registry import check_models, list_models
from scanner.scoring.test_card import TestCard
from scanner.settings.policies import compose_policies
from scanner.settings.sections import ModelSettings, read_settings
from scanner.taxonomy import Taxonomy, TaxonomyEntry, uncovered
from scanner.types import FrameSpec

__all__ = ["models_app"]

models_app = typer.Typer(
    help="List, check and add models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
models_app.command("add")(add_command)


@models_app.command("list")
def list_command(config: Config = None, as_json: Json = False) -> None:
    """List the models with licence and origin, and every label of the taxonomy with its models,
    other vendors' names and the policy in force."""
    settings = read_settings(config)
    manifests = list_models(settings.models.dir, added=settings.models.added_dir)
    taxonomy = Taxonomy.load()
    rows = list(_label_rows(taxonomy, manifests, compose_policies(settings, manifests, taxonomy)))
    if wants_json(as_json):
        for row in (*map(_model_row, manifests), *rows):
            sys.stdout.write(json.dumps(row) + "\n")
        return
    _print(rows, manifests)
    missing = uncovered(taxonomy, (row["label"] for row in rows if row["models"]))
    open_console().print(
        f"Without a model, and so never scored: {', '.join(missing.labels)}", style="dim"
    )
    open_console().print(describe_uncovered(missing), style="dim")


@models_app.command("check")
def check_command(config: Config = None, as_json: Json = False) -> None:
    """Load every model, check it against its manifest, and compare its golden scores.

    Exit status 1 if a model fails.
    """
    settings = read_settings(config)
    checks = check_models(
        settings.models.dir, added=settings.models.added_dir, provider=settings.models.provider
    )
    for check in checks:
        if wants_json(as_json):
            sys.stdout.write(
                json.dumps(
                    {
                        "type": "model",
                        "name": check.name,
                        "ok": check.ok,
                        "worst": check.largest_difference,
                        "problem": check.problem,
                    }
                )
                + "\n"
            )
        else:
            scores = (
                f"golden scores within {check.largest_difference:.6f}"
                if check.ok
                else check.problem
            )
            open_console().print(f"{'ok' if check.ok else 'no'}  {check.name}  {scores}")
    if not checks:
        open_console(stderr=True).print("no models found; only the test card can be scored")
    raise typer.Exit(Status.NOTHING if all(check.ok for check in checks) else Status.FAILED)


@models_app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="The name of an added model.", show_default=False)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a model that was added: delete its folder. Shipped models stay; `models.names` leaves
    them out.

    Example:
      streamwarden models remove open-nsfw
    """
    folder = _added_folder(name, read_settings(config).models)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        where = error.filename or folder
        raise SetupError(f"{where}: cannot be removed: {error.strerror}") from error
    if wants_json(as_json):
        row = {"type": "removed", "name": name, "folder": str(folder)}
        sys.stdout.write(json.dumps(row) + "\n")
        return
    open_console().print(f"removed  {name} in {folder}")


def _added_folder(name: str, models: ModelSettings) -> Path:
    """Return the folder of an added model.

    Raises:
        SetupError: there is none; only what `models add` has written is ever removed.
    """
    parent = models.install_dir
    try:
        added = find_added(parent)
    except OSError as error:
        raise SetupError(f"{error.filename}: cannot be read: {error.strerror}") from error
    if name not in added:
        names = ", ".join(added) or "none"
        raise SetupError(f"no model {name} was added to {parent}; there are {names}")
    return added[name]


def _label_rows(
    taxonomy: Taxonomy, manifests: tuple[Manifest, ...], policies: Policies
) -> Iterator[dict[str, Any]]:
    for entry in taxonomy.entries:
        models = [
            str(manifest.ref) for manifest in manifests if entry.label in manifest.scored_labels
        ]
        if entry.label in policies.labels and not models:
            models = [str(TestCard.model)]
        yield {
            "type": "label",
            **_names(entry),
            "models": models,
            "policy": _policy(entry, policies),
        }


def _model_row(manifest: Manifest) -> dict[str, Any]:
    scores = {
        "labels": list(manifest.scored_labels),
        "media": list(manifest.media),
        "shadow": sorted(manifest.shadow),
    }
    rights = {
        "licence": manifest.licence,
        "origin": manifest.origin,
        "training_data": manifest.training_data,
    }
    return {
        "type": "model",
        "model": str(manifest.ref),
        **scores,
        **rights,
        "sha256": manifest.sha256,
        "quality": dict(manifest.quality),
    }


def _names(entry: TaxonomyEntry) -> dict[str, Any]:
    names = {"label": entry.label, "group": entry.group, "category": entry.category}
    return {**names, "aws": list(entry.aws), "hive": list(entry.hive)}


def _policy(entry: TaxonomyEntry, policies: Policies) -> dict[str, Any] | None:
    policy = policies.labels.get(entry.label)
    if policy is None:
        return None
    when = sorted(policy.when) if policy.when else None
    return {
        "severity": policy.severity,
        "open": policy.open,
        "dwell": float(policy.dwell),
        "still": policy.still,
        "when": when,
        "shadow": policy.shadow,
        "still_shadow": policy.is_still_shadow,
    }


def _print(rows: list[dict[str, Any]], manifests: tuple[Manifest, ...]) -> None:
    console = open_console()
    console.print(_model_table(manifests))
    console.print(_label_table([row for row in rows if row["models"]]))


def _model_table(manifests: tuple[Manifest, ...]) -> OutputTable:
    table = new_table("Models", "model", "labels", "media", "input", "licence", "origin")
    for manifest in manifests:
        labels, media = ", ".join(manifest.scored_labels), ", ".join(manifest.media)
        table.add_row(
            str(manifest.ref),
            labels,
            media,
            _describe_input(manifest.input.spec),
            manifest.licence,
            manifest.origin,
        )
    return table


def _describe_input(spec: FrameSpec) -> str:
    frame = f"{spec.width}x{spec.height} {spec.fit.value}"
    return (
        frame
        if spec.burst is None
        else f"{spec.burst.frames} frames of {frame}, {spec.burst.rate} a second"
    )


def _shadow_note(policy: dict[str, Any]) -> str:
    match policy["shadow"], policy["still_shadow"]:
        case True, True:
            return " (shadow)"
        case True, False:
            return " (shadow but for stills)"
        case False, True:
            return " (stills in shadow)"
    return ""


def _label_table(rows: list[dict[str, Any]]) -> OutputTable:
    table = new_table(
        "Labels with a model",
        "label",
        "category",
        "model",
        "AWS v7",
        "Hive",
        "severity",
        "opens at",
        "when",
    )
    for row in rows:
        policy = row["policy"]
        names = (", ".join(row[key]) for key in ("models", "aws", "hive"))
        level = f"level {policy['open']:.1f} for {policy['dwell']:g} s"
        when = ", ".join(policy["when"] or ["any medium"]) + _shadow_note(policy)
        table.add_row(row["label"], row["category"], *names, str(policy["severity"]), level, when)
    return table
