"""The command line whose supervisor ends a silent process after as long as the environment says."""

from __future__ import annotations

import os

from scanner.supervisor import health
from workers.cli import main

SILENT = "STREAMWARDEN_TEST_SILENT_SECONDS"
"""Environment variable: seconds without a sign of life after which a process is ended."""

if __name__ == "__main__":
    health.CHECK_SECONDS = 0.5  # type: ignore[misc]
    health.SILENT_SECONDS = float(os.environ.pop(SILENT))  # type: ignore[misc]
    main()
