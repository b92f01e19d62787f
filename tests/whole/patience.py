"""A supervisor that ends a silent process after as long as the environment says; its arguments are
those of ``streamwarden``."""

from __future__ import annotations

import os
import sys

from scanner.supervisor import health
from scanner.supervisor.__main__ import main

SILENT = "STREAMWARDEN_TEST_SILENT_SECONDS"
"""Environment variable: seconds without a liveness report after which a process is ended."""

if __name__ == "__main__":
    health.CHECK_SECONDS = 0.5  # type: ignore[misc]
    health.SILENT_SECONDS = float(os.environ.pop(SILENT))  # type: ignore[misc]
    sys.exit(main(sys.argv[2:]))
