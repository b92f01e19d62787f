"""The program as a shell starts it: a process of its own, with whatever a shell can do to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["WITHOUT_MODELS", "run", "start"]

_PROGRAM = (sys.executable, "-m", "workers.cli")
ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60
"""After which a run counts as hanging."""
WITHOUT_MODELS = {"STREAMWARDEN_MODELS__NAMES": "[]"}
"""Settings with the test card as the only scorer: a scan starts and scores in half the time."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without the settings of the user who runs the tests."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("STREAMWARDEN_")
    }
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def run(
    *arguments: str | bytes | Path,
    stdout: int = subprocess.PIPE,
    extra: Mapping[str, str] | None = None,
    shell: str = 'exec "$@"',
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[bytes]:
    """To its end; ``shell`` starts what it is given."""
    command = ["sh", "-c", shell, "sh", *_PROGRAM, *arguments]
    return subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(extra),
        timeout=seconds,
        check=False,
    )


def start(
    *arguments: str | Path, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start the program as a session leader, as in a terminal of its own.

    Signals have their default action, also where the tests run in the background and ignore some.
    """
    reset = ("env", "--default-signal=HUP,INT,TERM")
    command = [*reset, *_PROGRAM, *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(extra),
        start_new_session=True,
    )
