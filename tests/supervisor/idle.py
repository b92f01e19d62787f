"""A process that notes its start in a file, and waits for SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    (folder / f"{name}-{os.getpid()}").touch()
    signal.pause()
