"""``streamwarden scan``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from scanner.cli.options import (
    Config,
    Json,
    Workers,
    open_runner,
    seconds,
    settings_with,
    wants_json,
)
from scanner.cli.show import Board, not_covered
from scanner.cli.status import Status
from scanner.evidence.reporting import Reporter
from scanner.evidence.room import EvidenceRoom, open_room
from scanner.lines import ErrorLine, Line, SummaryLine, dumps
from scanner.report.write import write_report
from scanner.risk.policy import Policies
from scanner.runner import used_models
from scanner.scan import Said, scan
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings
from scanner.sources.paths import read_sources
from scanner.taxonomy import Taxonomy, Uncovered, uncovered

__all__ = ["scan_command"]


def scan_command(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, pictures, playlists, addresses of playlists.", show_default=False
        ),
    ],
    config: Config = None,
    as_json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Leave a report with clips here."),
    ] = None,
    workers: Workers = 0,
    sampling: Annotated[str | None, typer.Option(help="adaptive, keyframes or every.")] = None,
    max_gap: Annotated[
        Fraction | None,
        typer.Option(parser=seconds, metavar="SECONDS", help="Longest hole between samples."),
    ] = None,
    min_gap: Annotated[
        Fraction | None,
        typer.Option(parser=seconds, metavar="SECONDS", help="Shortest step between samples."),
    ] = None,
    base_rate: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of segments looked at in motion whatever they show."),
    ] = None,
    provider: Annotated[str | None, typer.Option(help="cpu, cuda or tensorrt.")] = None,
    models_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Models in place of the shipped ones.")
    ] = None,
) -> None:
    """Scan video for incidents.

    Examples:
      streamwarden scan clip.mp4
      streamwarden scan --out report/ recordings/ https://cdn.example/live/index.m3u8
      streamwarden scan --json segments/*.ts | jq 'select(.type == "incident")'
    """
    flags: dict[str, dict[str, Any]] = {
        "sampling": {"strategy": sampling, "max_gap": max_gap, "min_gap": min_gap},
        "bursts": {"base_rate": base_rate},
        "models": {"provider": provider, "dir": models_dir},
    }
    settings = settings_with(config, flags)
    manifests = used_models(settings)
    policies = compose_policies(settings, manifests)
    with (
        read_sources(paths, settings.fetch) as arrivals,
        _room(out, settings, policies) as room,
        open_runner(context.obj, settings, workers) as runner,
    ):
        reporter = None if room is None else Reporter(room)
        said = _noted(
            scan(
                arrivals,
                policies,
                runner,
                evidence=room,
                patience=settings.stream.missing_after,
            ),
            reporter,
        )
        missing = uncovered(Taxonomy.load(), policies.labels)
        status = _tell_json(said, missing) if wants_json(as_json) else _tell_people(said, missing)
    if reporter is not None and out is not None:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        page = write_report(
            reporter.report(
                settings, policies, manifests, version=version("streamwarden"), created=created
            ),
            out,
        )
        Console(stderr=True).print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(status)


def _room(
    out: Path | None, settings: Settings, policies: Policies
) -> AbstractContextManager[EvidenceRoom | None]:
    return nullcontext() if out is None else open_room(out, settings, policies)


def _noted(said: Iterable[Said], reporter: Reporter | None) -> Iterator[Said]:
    for one in said:
        if reporter is not None:
            reporter.note(one)
        yield one


class _Tally:
    """What the exit status depends on."""

    def __init__(self) -> None:
        self.failed = False
        self.flagged = False

    def note(self, line: Line) -> None:
        self.failed = self.failed or isinstance(line, ErrorLine)
        self.flagged = self.flagged or (isinstance(line, SummaryLine) and bool(line.flagged))

    @property
    def status(self) -> Status:
        if self.failed:
            return Status.FAILED
        return Status.FLAGGED if self.flagged else Status.NOTHING


def _lines(said: Iterable[Said]) -> Iterator[Line]:
    return (line for line in said if isinstance(line, Line))


def _tell_json(said: Iterable[Said], missing: Uncovered) -> Status:
    tally = _Tally()
    for line in _lines(said):
        tally.note(line)
        sys.stdout.write(dumps(line) + "\n")
        sys.stdout.flush()
    Console(stderr=True).print(not_covered(missing), style="dim", soft_wrap=True)
    return tally.status


def _tell_people(said: Iterable[Said], missing: Uncovered) -> Status:
    tally = _Tally()
    console = Console(stderr=True)
    with Board(console) as board:
        for one in said:
            board.note(one)
            if isinstance(one, Line):
                tally.note(one)
    board.print_tables(Console(), missing)
    return tally.status
