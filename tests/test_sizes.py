"""Functions and files stay short enough to be read at once.

A function that is longer than the limit hides a step with a name of its own. The exceptions are
listed with their reasons.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("scanner", "workers", "models", "samples", "benchmarks", "tests")
FUNCTION_LINES, FILE_LINES = 40, 400
ONE_LINE_AN_OPTION = "a command has one parameter for each of its options"
LONG_FUNCTIONS = {
    "scanner/cli/bench.py:all_command": ONE_LINE_AN_OPTION,
    "scanner/cli/bench.py:decode_command": ONE_LINE_AN_OPTION,
    "scanner/cli/bench.py:infer_command": ONE_LINE_AN_OPTION,
    "scanner/cli/bench.py:pipeline_command": ONE_LINE_AN_OPTION,
    "scanner/cli/evaluate.py:eval_command": ONE_LINE_AN_OPTION,
    "scanner/cli/models_add.py:add_command": ONE_LINE_AN_OPTION,
    "scanner/cli/plan.py:plan_command": ONE_LINE_AN_OPTION,
    "scanner/cli/scan.py:scan_command": ONE_LINE_AN_OPTION,
    "scanner/cli/submit.py:submit_command": ONE_LINE_AN_OPTION,
    "tests/delivery/loopback.py:_handler": "a class of the standard library, made with its answers",
    "tests/sandbox/hostile_tasks.py:escape": "a table, one attempt a line",
}
LONG_FILES = {
    "scanner/types.py": "the nouns that all share",
    "tests/sandbox/hostile_tasks.py": "one task for each kind of misbehaviour",
}


def files() -> list[Path]:
    """Return all files but migrations, which are lists of tables."""
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def test_no_function_is_longer_than_the_limit_without_a_reason() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    }

    assert long <= LONG_FUNCTIONS.keys()


def test_no_file_is_longer_than_the_limit_without_a_reason() -> None:
    long = {
        str(path.relative_to(ROOT))
        for path in files()
        if len(path.read_text("utf-8").splitlines()) > FILE_LINES
    }

    assert long <= LONG_FILES.keys()
