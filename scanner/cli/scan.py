"""The command ``streamwarden scan``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.options import (
    Channel,
    Config,
    Json,
    Workers,
    open_runner,
    seconds,
    settings_with,
    wants_json,
)
from scanner.cli.scan_run import JsonOutput, ScanOutput, ScanRun, TerminalOutput, open_record
from scanner.compose import compose, open_scan
from scanner.sources.merge import PathCount
from scanner.sources.paths import read_sources
from scanner.taxonomy import Taxonomy, uncovered
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
    channel: Channel = None,
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
    program = compose(settings_with(config, flags), channel=channel)
    own_id = None if stream_id is None else StreamId(stream_id)
    with (
        read_sources(paths, program.settings.fetch, stream_id=own_id) as arrivals,
        open_record(record) as write_record,
        open_runner(context.obj, program, workers) as runner,
        open_scan(program, arrivals, runner, out=out) as running,
        _open_output(arrivals.paths, as_json=wants_json(as_json)) as output,
    ):
        run = ScanRun(
            running=running,
            output=output,
            record=write_record,
            interruption=context.obj.interruption,
            missing=uncovered(Taxonomy.load(), program.policies.labels),
        )
        raise typer.Exit(run.run())


@contextmanager
def _open_output(paths: PathCount, *, as_json: bool) -> Iterator[ScanOutput]:
    if as_json:
        yield JsonOutput()
        return
    from scanner.cli.show import ScanDisplay
    from scanner.cli.terminal import open_console

    with ScanDisplay(open_console(stderr=True), paths) as display:
        yield TerminalOutput(display)
