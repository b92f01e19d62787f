"""``streamwarden serve``: the live service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from scanner.cli.options import Config
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
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificates in PEM; with --tls-key it speaks HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key in PEM.")] = None,
    behind_proxy: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The proxy whose forwarded headers are believed."),
    ] = None,
) -> None:
    """Run the live service until Ctrl-C: segments come in by HTTP, incidents go out.

    It starts and watches three processes: web answers requests, driver scores, delivery cuts clips
    and sends webhooks. What was acknowledged is kept in the data folder, whatever ends. Beyond
    this machine it listens only with a certificate, or behind a proxy.
    """
    _check_settings(config)
    given = _flags(
        config=config,
        data=data,
        host=host,
        port=port,
        workers=workers,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
    )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "scanner.supervisor", *given])


def _check_settings(config: Path | None) -> None:
    """Check models and policies: in the driver they would fail again and again.

    Raises:
        SetupError: one is not valid.
    """
    from scanner.compose import compose

    compose(read_settings(config))


def _flags(**options: object) -> list[str]:
    return [
        f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
        if value is not None
    ]
