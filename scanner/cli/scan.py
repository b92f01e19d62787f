"""The command ``streamwarden scan``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from scanner.cli.options import (
    Config,
    Json,
    Workers,
    open_runner,
    seconds,
    settings_with,
    wants_json,
)
from scanner.cli.show import ScanDisplay, describe_uncovered
from scanner.cli.status import Status
from scanner.cli.terminal import open_console
from scanner.compose import compose, open_scan
from scanner.errors import SetupError
from scanner.pipeline.scan import PathFailed, ScanEvent
from scanner.records.recording import record_line
from scanner.report.lines import ErrorLine, Line, SummaryLine, dumps
from scanner.sources.paths import read_sources
from scanner.stream.inputs import FilesSkipped
from scanner.taxonomy import Taxonomy, Uncovered, uncovered
from scanner.types import StreamId

__all__ = ["scan_command"]


Paths = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, pictures, playlists, addresses of playlists.", show_default=False
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Leave a report with clips here."),
]
Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Write every event here, exact, for `replay`."),
]
Sampling = Annotated[str | None, typer.Option("--sampling", help="adaptive, keyframes or every.")]
MaxGap = Annotated[
    Fraction | None,
    typer.Option(
        "--max-gap", parser=seconds, metavar="SECONDS", help="Longest hole between samples."
    ),
]
MinGap = Annotated[
    Fraction | None,
    typer.Option(
        "--min-gap", parser=seconds, metavar="SECONDS", help="Shortest step between samples."
    ),
]
BaseRate = Annotated[
    float | None,
    typer.Option(
        "--base-rate", metavar="SHARE", help="Random share of segments of which bursts are scored."
    ),
]
StreamName = Annotated[
    str | None,
    typer.Option(
        "--stream-id", metavar="ID", help="Id of the stream, in place of a hash; with one path."
    ),
]
Provider = Annotated[str | None, typer.Option("--provider", help="cpu, cuda or tensorrt.")]
ModelsDir = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="FOLDER", help="Models in place of the shipped ones."),
]


def scan_command(
    context: typer.Context,
    paths: Paths,
    config: Config = None,
    as_json: Json = False,
    out: Out = None,
    record: Record = None,
    workers: Workers = 0,
    sampling: Sampling = None,
    max_gap: MaxGap = None,
    min_gap: MinGap = None,
    base_rate: BaseRate = None,
    stream_id: StreamName = None,
    provider: Provider = None,
    models_dir: ModelsDir = None,
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
    program = compose(settings_with(config, flags))
    missing = uncovered(Taxonomy.load(), program.policies.labels)
    show = _print_json_lines if wants_json(as_json) else _show_progress
    with (
        read_sources(
            paths,
            program.settings.fetch,
            stream_id=None if stream_id is None else StreamId(stream_id),
        ) as arrivals,
        _open_record(record) as write_record,
        open_runner(context.obj, program, workers) as runner,
        open_scan(program, arrivals, runner, out=out) as running,
    ):
        status = show(_with_record(running, write_record), missing)
        page = running.write_report()
    _print_report_path(page)
    raise typer.Exit(status)


def _print_report_path(page: Path | None) -> None:
    if page is not None:
        message = f"report: {page}"
        open_console(stderr=True).print(message, soft_wrap=True)


EventLines = tuple[ScanEvent, tuple[Line, ...]]
"""An event with its lines of ``scan --json``."""


@contextmanager
def _open_record(path: Path | None) -> Iterator[Callable[[ScanEvent], None]]:
    """Yield a function that writes events to the file, or one that does nothing without a file."""
    if path is None:
        yield lambda event: None
        return
    try:
        file = path.open("w", encoding="ascii")
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror}") from error
    with file:
        yield lambda event: _write_record(file, event)


def _write_record(file: TextIO, event: ScanEvent) -> None:
    if event.stream_id is not None and not isinstance(event.event, PathFailed | FilesSkipped):
        file.write(record_line(event.path, event.stream_id, event.event) + "\n")
        file.flush()


def _with_record(
    scanned: Iterable[EventLines], write: Callable[[ScanEvent], None]
) -> Iterator[EventLines]:
    for event, lines in scanned:
        write(event)
        yield event, lines


class _StatusCollector:
    """Collects what the exit status depends on."""

    def __init__(self) -> None:
        self.failed = False
        self.flagged = False

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self.failed = self.failed or isinstance(line, ErrorLine)
            self.flagged = self.flagged or (isinstance(line, SummaryLine) and bool(line.flagged))

    @property
    def status(self) -> Status:
        if self.failed:
            return Status.FAILED
        return Status.FLAGGED if self.flagged else Status.NOTHING


def _print_json_lines(scanned: Iterable[EventLines], missing: Uncovered) -> Status:
    collector = _StatusCollector()
    for _, lines in scanned:
        collector.add(lines)
        for line in lines:
            sys.stdout.write(dumps(line) + "\n")
            sys.stdout.flush()
    open_console(stderr=True).print(describe_uncovered(missing), style="dim", soft_wrap=True)
    return collector.status


def _show_progress(scanned: Iterable[EventLines], missing: Uncovered) -> Status:
    collector = _StatusCollector()
    with ScanDisplay(open_console(stderr=True)) as display:
        for event, lines in scanned:
            collector.add(lines)
            display.receive(event, lines)
    display.print_tables(open_console(), missing)
    return collector.status
