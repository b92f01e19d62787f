"""``streamwarden serve``: the live service."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.cli.options import Config
from scanner.service_logs import set_up_service_logs
from scanner.settings.sections import read_settings

__all__ = ["serve_command"]


def serve_command(
    config: Config = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the journal and of all media.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=0, help="Ray workers; 0: without Ray.")
    ] = None,
) -> None:
    """Run the live service until Ctrl-C: segments come in by HTTP, incidents go out.

    It starts and watches three processes: web answers requests, driver scores, delivery cuts clips
    and sends webhooks. What was acknowledged is kept in the data folder, whatever ends.
    """
    from scanner.supervisor.supervise import open_service

    options: Mapping[str, Any] = {"data": data, "host": host, "port": port, "workers": workers}
    given = {name: value for name, value in options.items() if value is not None}
    settings = read_settings(config, {"service": given})
    set_up_service_logs("supervisor")
    with open_service(settings, config) as (supervisor, address):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        typer.echo(f"Streamwarden listens at {address}; data in {settings.service.data}")
        supervisor.run()
