"""What a benchmark shows: progress, tables, JSON, a page, and comparisons."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.text import Text

from scanner.bench.against import measure_against
from scanner.bench.bench_input import BenchInput
from scanner.bench.comparison import (
    BETWEEN_FILES,
    Change,
    compare_documents,
    describe_change,
)
from scanner.bench.document import BenchReport, to_document
from scanner.bench.machine import LoadWatch, read_machine
from scanner.bench.measure import BenchPlan, BenchResult
from scanner.bench.tables import describe_capacity, describe_input, make_tables
from scanner.cli.messages import print_message
from scanner.cli.options import wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import new_table, open_console, sanitize
from scanner.errors import SetupError
from scanner.private import write_file
from scanner.settings.sections import Settings

__all__ = ["BenchOutput", "BenchSetup", "run_against", "show_progress"]

MEASURED_SETTINGS = ("sampling", "window", "models", "reuse", "bursts")
OUTPUT_OPTIONS = ("as_json", "html", "compare", "fail_below", "against", "rounds")
BUSY = 0.1
"""Share of the machine that others use, from which it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSetup:
    """What a benchmark was run with."""

    bench: str
    settings: Settings
    plan: BenchPlan
    video: BenchInput | None = None
    more: Mapping[str, Any] | None = None
    """Options that are no settings and on which the figures depend."""
    scenario: str = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOutput:
    """The options on what is shown, and what it is compared with."""

    as_json: bool = False
    html: Path | None = None
    compare: Path | None = None
    fail_below: float | None = None
    core_price: float | None = None

    def check(self) -> None:
        """Check the options before anything is measured.

        Raises:
            SetupError: the earlier document cannot be read, or an option lacks its other one.
        """
        if self.fail_below is not None and self.compare is None:
            raise SetupError("--fail-below compares with --compare FILE; give both")
        self._earlier()

    def write(self, setup: BenchSetup, results: Sequence[BenchResult], load: LoadWatch) -> None:
        """Write everything, and end the command with status 1 if it is slower than allowed.

        Raises:
            SetupError: the earlier document is of another machine or other work.
        """
        report = _report(setup, [self._price(one) for one in results], load)
        document = to_document(report)
        if self.html is not None:
            from scanner.bench.page import to_bench_page  # with a template engine

            write_file(self.html, to_bench_page(report).encode())
            print_message(f"page: {self.html}")
        if wants_json(self.as_json):
            sys.stdout.write(json.dumps(document) + "\n")
        else:
            _print_report(report)
        if (earlier := self._earlier()) is not None:
            show_changes(compare_documents(earlier, document), self.fail_below)

    def _price(self, result: BenchResult) -> BenchResult:
        streams = result.streams_per_core
        if self.core_price is None or result.bench != "pipeline" or streams is None:
            return result
        cost = 1000 / streams.median * self.core_price
        return replace(result, facts={**result.facts, "cost_per_1000_stream_hours": cost})

    def _earlier(self) -> Any:
        if self.compare is None:
            return None
        try:
            document = json.loads(self.compare.read_text("utf-8"))
            if not str(document["schema"]).startswith("streamwarden-bench/"):
                raise KeyError("schema")
        except OSError as error:
            raise SetupError(f"{self.compare}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"{self.compare}: not a document of `streamwarden bench --json`"
            ) from error
        return document


def show_progress(text: str) -> None:
    """Say on standard error what is measured now."""
    print_message(text, style="dim")


def run_against(
    context: typer.Context, venv: Path, rounds: int, fail_below: float | None
) -> NoReturn:
    """Run this command's benchmark in turn with another installation, show the changes, and end the
    command."""
    arguments = _arguments(context)
    changes = measure_against(venv, arguments, rounds=rounds, progress=show_progress)
    show_changes(changes, fail_below)
    raise typer.Exit


def show_changes(changes: Iterable[Change], fail_below: float | None) -> None:
    """Print each change, and exit with status 1 if one is surely below the least speed."""
    found = tuple(changes)
    console = open_console()
    for change in found:
        style = {"slower": "bold red", "faster": "green"}.get(change.verdict, "")
        console.print(sanitize(describe_change(change)), style=style, soft_wrap=True)
    margin = max((change.margin for change in found), default=0.0)
    if margin > BETWEEN_FILES:
        print_message(
            f"others used much of the machine: changes of less than {margin:.0%} are not claimed;"
            " --against VENV finds smaller ones"
        )
    if fail_below is not None and any(change.high < fail_below for change in found):
        raise typer.Exit(Status.FAILED)


def _arguments(context: typer.Context) -> list[str]:
    """Return the arguments of this command that another process needs to measure the same."""
    words = [str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.name in OUTPUT_OPTIONS or value in (None, False, (), []):
            continue
        name = parameter.opts[0]
        if value is True:
            words.append(name)
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            text = str(one.absolute()) if isinstance(one, Path) else str(one)
            words += [name, text]
    return words


def _report(setup: BenchSetup, results: Sequence[BenchResult], load: LoadWatch) -> BenchReport:
    measured = setup.settings.model_dump(mode="json", include=set(MEASURED_SETTINGS))
    return BenchReport(
        bench=setup.bench,
        scenario=setup.scenario,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=read_machine(),
        load=load,
        settings={**measured, **(setup.more or {})},
        plan=setup.plan,
        video=setup.video,
        results=tuple(results),
    )


def _print_report(report: BenchReport) -> None:
    console, machine = open_console(), report.machine
    console.print(
        f"{machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_bytes / (1 << 30):.1f} GiB, {machine.system}"
    )
    for gpu in machine.gpus:
        console.print(sanitize(gpu))
    console.print(
        ", ".join(f"{name} {version}" for name, version in machine.versions.items()), style="dim"
    )
    if report.load.others > BUSY:
        console.print(
            f"others used {report.load.others:.0%} of the machine: times are higher than on an"
            " idle one, ratios hold",
            style="yellow",
        )
    if report.video is not None:
        console.print(sanitize(describe_input(report.video)))
    for shown in make_tables(report.results):
        title = f"{shown.title}: medians of {shown.repeats}, \N{PLUS-MINUS SIGN} half the range"
        table = new_table(title, *shown.columns)
        for row in shown.rows:
            table.add_row(*row[:-1], Text(row[-1]))
        console.print(table)
        console.print(shown.legend, style="dim")
    if capacity := describe_capacity(report.results, machine.cores):
        console.print(capacity, style="bold")
    if providers := sorted({one.provider for one in report.results if one.provider}):
        console.print(f"ran on {', '.join(providers)}", style="dim")
