"""The web process: ``python -m scanner.intake.server --fd N --config FILE``."""

from __future__ import annotations

import argparse
import ctypes
import gc
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import uvicorn
from fastapi import FastAPI

from scanner.errors import SetupError
from scanner.intake.app import create_app
from scanner.intake.limits import IntakeLimits
from scanner.intake.protocol import protocol_with
from scanner.service_logs import set_up_service_logs
from scanner.settings.sections import read_settings
from scanner.settings.service import ServiceSettings
from scanner.store.database import open_journal
from scanner.store.objects import ObjectStore

__all__ = ["main", "server_config"]

COLLECTION_THRESHOLD: Final = 10_000
"""Objects that may be made beyond those that are removed until garbage is searched for."""
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
KEPT_MEMORY: Final = 16 << 20
"""Most bytes of freed memory that are kept for the next requests."""
LARGEST_KEPT_BUFFER: Final = 4 << 20
"""Larger buffers, in bytes, are returned to the system one by one."""
EXIT_SETUP: Final = 2
"""Exit status if the operator has to fix something: the supervisor does not restart it at once."""


def main(argv: Sequence[str] | None = None, *, create: Callable[..., FastAPI] = create_app) -> int:
    """Answer requests of a listening socket until SIGTERM; return the exit status.

    The socket is inherited, so that it survives this process. ``create`` makes the application.
    """
    parser = argparse.ArgumentParser(prog="scanner.intake.server", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the listening socket's descriptor")
    parser.add_argument("--config", type=Path, help="settings in TOML")
    arguments = parser.parse_args(argv)
    set_up_service_logs("web")
    try:
        settings = read_settings(arguments.config)
        journal = open_journal(settings.service.data)
    except SetupError as error:
        sys.stderr.write(f"streamwarden web: {error}\n")
        return EXIT_SETUP
    limits = IntakeLimits(
        segment_bytes=min(settings.fetch.segment_bytes, settings.limits.max_bytes),
        image_bytes=settings.limits.max_still_bytes,
    )
    objects = ObjectStore(settings.service.data / "objects")
    app = create(settings.service, journal, objects, limits=limits, fetch_limits=settings.fetch)
    _spare_work_for_memory()
    # uvicorn drains on SIGTERM, and then raises the signal again for the handler before its own.
    signal.signal(signal.SIGTERM, _exit)
    try:
        with socket.socket(fileno=arguments.fd) as listener:
            uvicorn.Server(server_config(app, settings.service)).run(sockets=[listener])
    finally:
        journal.close()
    return 0


def _spare_work_for_memory() -> None:
    """Set up memory for requests that each need a few buffers for a moment, and make few cycles.

    What was made so far lasts, and is left out of the search for garbage. Buffers are taken from
    freed memory that is kept; by itself the C library would return it to the system after each
    request, and every page would be new to the next.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)
    with suppress(AttributeError):  # a C library other than glibc
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, LARGEST_KEPT_BUFFER)
        set_option(M_TRIM_THRESHOLD, KEPT_MEMORY)


def _exit(*_: object) -> NoReturn:
    raise SystemExit(0)


def server_config(app: object, settings: ServiceSettings) -> uvicorn.Config:
    """Return how uvicorn serves the application: forwarded headers of the one proxy are believed,
    those of anyone else mean nothing."""
    quota = settings.quota
    protocol = protocol_with(header_seconds=quota.header_seconds, idle_seconds=quota.idle_seconds)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.behind_proxy),
        forwarded_allow_ips=settings.behind_proxy or None,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=60,
        h11_max_incomplete_event_size=16384,
    )


if __name__ == "__main__":
    sys.exit(main())
