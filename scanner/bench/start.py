"""The benchmark of the start: whole processes, each beside the least that it could do.

help          streamwarden --help        an empty Typer application of as many commands
first line    streamwarden scan FILE     importing av and onnxruntime, loading the same models
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from scanner.bench.decode_bench import cost_ratios
from scanner.bench.measure import Amount, BenchPlan, BenchResult, BenchRun, reference_seconds
from scanner.bench.process_tree import cpu_seconds
from scanner.errors import SetupError

__all__ = ["bench_start"]

HELP: Final = "streamwarden --help"
FIRST_LINE: Final = "first line of a scan"
EMPTY: Final = "an empty Typer application"
BARE: Final = "bare imports and models"
_EMPTY: Final = """
import sys, typer
app = typer.Typer(rich_markup_mode=None)
app.callback()(lambda: None)
for number in range(int(sys.argv[1])):
    app.command(f"c{number}", help="A command.")(lambda: None)
app(["--help"])
"""
_BARE: Final = """
import sys, av, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
for file in sys.argv[1:]:
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
print("loaded", flush=True)
"""


def bench_start(
    video: Path, models: Sequence[Path], commands: int, plan: BenchPlan
) -> tuple[BenchResult, ...]:
    """Measure whole processes in turn; a repeat is one process, whatever ``plan.seconds`` is.

    Args:
        video: a short file.
        models: the graphs of the models that a scan loads.
        commands: the number of the program's commands.

    Raises:
        SetupError: a process writes nothing.
    """
    program = [sys.executable, "-m", "workers.cli"]
    python = [sys.executable, "-c"]
    pairs = (
        (HELP, [*program, "--help"], EMPTY, [*python, _EMPTY, str(commands)]),
        (
            FIRST_LINE,
            [*program, "scan", "--json", str(video)],
            BARE,
            [*python, _BARE, *map(str, models)],
        ),
    )
    return tuple(_bench_pair(*pair, plan) for pair in pairs)


def _bench_pair(
    name: str, ours: Sequence[str], over: str, theirs: Sequence[str], plan: BenchPlan
) -> BenchResult:
    for _ in range(plan.warm_up):
        _start(ours), _start(theirs)
    rounds = [(_start(ours), _start(theirs)) for _ in range(plan.repeats)]
    mine = tuple(run for run, _ in rounds)
    return BenchResult(
        bench="start",
        name=name,
        unit="start",
        provider=None,
        runs=mine,
        ratios=cost_ratios(mine, {over: tuple(run for _, run in rounds)}),
    )


def _start(command: Sequence[str]) -> BenchRun:
    """Start a process, and return what it and its children took until it wrote a line.

    Raises:
        SetupError: it ended without one.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    reference = median(reference_seconds() for _ in range(3))
    cpu, wall = cpu_seconds(), time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        took, spent = time.perf_counter() - wall, cpu_seconds() - cpu
        process.terminate()
        process.stdout.read()
    if not line:
        raise SetupError(f"{' '.join(command[:4])}: ended without a line")
    return BenchRun(amount=Amount(units=1, samples=1), wall=took, cpu=spent, reference=reference)
