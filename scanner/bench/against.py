"""Another installation of the program, measured in turn with this one.

Each round starts both, one after the other, and the order changes from round to round, so that a
machine that grows slower does not favour one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scanner.bench.comparison import Change, compare_rounds
from scanner.errors import SetupError

__all__ = ["measure_against"]


def measure_against(
    venv: Path,
    arguments: Sequence[str],
    *,
    rounds: int,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Change, ...]:
    """Run ``streamwarden bench`` of the other installation and of this one in turn, and return how
    this one's speed compares with the other's.

    Args:
        venv: a virtual environment, or its interpreter.
        arguments: those of ``streamwarden bench``, without output options.

    Raises:
        SetupError: one of them fails, or the two do different work.
    """
    other = venv if venv.is_file() else venv / "bin" / "python"
    if not other.exists():
        raise SetupError(f"{venv}: no virtual environment, {other} does not exist")
    pairs: list[tuple[Any, Any]] = []
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        if number % 2:
            mine, theirs = _run(None, arguments), _run(other, arguments)
        else:
            theirs, mine = _run(other, arguments), _run(None, arguments)
        pairs.append((theirs, mine))
    return compare_rounds(pairs)


def _run(interpreter: Path | None, arguments: Sequence[str]) -> Any:
    """Return the document that one installation writes; None stands for this one."""
    python = sys.executable if interpreter is None else str(interpreter)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if interpreter is None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [python, "-m", "workers.cli", "bench", *arguments, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd="/", check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetupError(f"{python}: bench fails: {reason}")
    return json.loads(done.stdout)
