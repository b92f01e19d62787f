"""The web process: ``python -m scanner.console.server --fd N --config FILE``."""

from __future__ import annotations

import sys

from scanner.console.app import create_web_app
from scanner.intake.server import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main(create=create_web_app))
