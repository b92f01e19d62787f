"""The command ``streamwarden doctor``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from scanner.cli.options import Config, Json, wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import open_console
from scanner.doctor import Diagnostic, run_checks
from scanner.media.open import list_available_codecs
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import read_settings

__all__ = ["doctor_command"]


def doctor_command(config: Config = None, as_json: Json = False) -> None:
    """Check this machine, and say how to fix what is wrong.

    Exit status 1 if a check fails.
    """
    settings = read_settings(config)
    models = settings.models
    findings = run_checks(
        provider=models.provider,
        models_dir=models.dir,
        added=models.added_dir,
        codecs=list_available_codecs,
        restrictions=_probe_restrictions,
        data=settings.service.data,
        refuse_below=settings.service.retention.refuse_watermark,
    )
    if wants_json(as_json):
        for finding in findings:
            sys.stdout.write(json.dumps({"type": "finding", **asdict(finding)}) + "\n")
    else:
        _print(findings)
    raise typer.Exit(Status.NOTHING if all(finding.ok for finding in findings) else Status.FAILED)


def _probe_restrictions() -> Mapping[str, str]:
    with Sandbox() as sandbox:
        restrictions = sandbox.restrictions
    return {**dict.fromkeys(restrictions.active, ""), **restrictions.missing}


def _print(findings: tuple[Diagnostic, ...]) -> None:
    table = Table(box=None)
    for name in ("", "what", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        table.add_row(
            Text("ok", "green") if finding.ok else Text("no", "red"),
            finding.name,
            finding.found,
            finding.remedy,
        )
    open_console().print(table)
