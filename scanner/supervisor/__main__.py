"""The supervisor's program: ``python -m scanner.supervisor``, which ``streamwarden serve`` becomes.

It is a program of its own because it lives as long as the service and should be small: the command
line loads all commands with their libraries.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scanner.errors import ScannerError
from scanner.service_logs import set_up_service_logs
from scanner.settings.sections import read_settings
from scanner.supervisor.supervise import first_link, open_service

__all__ = ["main"]

EXIT_SETUP: Final = 2
"""Exit status if the operator has to fix something, as of every command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="streamwarden serve")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--behind-proxy")
    options = vars(parser.parse_args(argv))
    config = options.pop("config")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = read_settings(config, {"service": given})
        set_up_service_logs("supervisor")
        with open_service(settings, config) as (supervisor, address):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: supervisor.stop())
            signal.signal(signal.SIGHUP, lambda *_: supervisor.reload())
            data = settings.service.data
            sys.stdout.write(f"Streamwarden listens at {address}; data in {data}\n")
            if (link := first_link(settings, address)) is not None:
                sys.stdout.write(f"Create the administrator (once, within a day): {link}\n")
            sys.stdout.flush()
            supervisor.run()
    except ScannerError as error:
        sys.stderr.write(f"streamwarden: {error}\n")
        return EXIT_SETUP
    return 0


if __name__ == "__main__":
    sys.exit(main())
