"""The inference runtime reports nothing to its vendor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUN = """
import os, sys
import scanner.scoring.onnx
import onnxruntime
sys.stdout.write(os.environ["ORT_DISABLE_TELEMETRY"])
"""


def test_the_runtime_makes_no_identity_and_no_session_of_its_vendors_telemetry(
    tmp_path: Path,
) -> None:
    home = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    without = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}

    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env={**without, **home},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "1"
    assert list(tmp_path.rglob("*")) == []
