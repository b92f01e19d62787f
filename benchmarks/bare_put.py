"""The least that a durable PUT can cost: uvicorn, SHA-256, one file and one flush for each.

``python -m benchmarks.bare_put --fd N FOLDER`` serves it, to compare ``benchmarks.intake`` with.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import signal
import socket
from pathlib import Path
from typing import Any, NoReturn

import uvicorn

__all__ = ["bare_app"]


def bare_app(folder: Path) -> Any:
    """Return an application that stores each body durably, and does nothing else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        digest, path = hashlib.sha256(), folder / secrets.token_hex(12)
        with path.open("xb", buffering=0) as file:
            more = True
            while more:
                message = await receive()
                digest.update(message.get("body", b""))
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
            os.fsync(file.fileno())
        body = digest.hexdigest().encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _exit(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Serve requests until SIGTERM arrives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    config = uvicorn.Config(
        bare_app(arguments.folder), http="h11", ws="none", lifespan="off", log_config=None
    )
    signal.signal(signal.SIGTERM, _exit)
    with socket.socket(fileno=arguments.fd) as listener:
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
