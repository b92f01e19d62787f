"""The output of a scan for people: progress while it runs, then tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from scanner.cli.messages import count_of
from scanner.cli.scan_tables import (
    SEVERITIES,
    describe_totals,
    incident_table,
    path_table,
    sort_incidents,
)
from scanner.cli.terminal import sanitize
from scanner.model_import.catalogue import describe_adding, read_catalogue, recommended_for
from scanner.pipeline.scan import PathFailed, ScanEvent
from scanner.report.lines import (
    ErrorLine,
    FrameLine,
    GapLine,
    IncidentLine,
    Line,
    SkippedLine,
    SummaryLine,
)
from scanner.report.text import clock
from scanner.risk.incident import Opened
from scanner.sources.merge import PathCount
from scanner.stream.events import StreamFinished
from scanner.taxonomy import Uncovered

__all__ = ["ScanDisplay", "describe_steps", "describe_uncovered"]

FIRST_ESTIMATE = 3.0
"""Seconds after which the time that is left is shown."""


def describe_uncovered(missing: Uncovered) -> str:
    """Return a sentence that names what no model covers, so that silence is not taken for safety,
    and one for each category that a known model would cover."""
    if not missing.labels:
        return "Every label of the taxonomy has a model."
    names = ", ".join(missing.categories or missing.labels)
    catalogue = read_catalogue()
    known = [
        f" For {category}: {describe_adding(name, catalogue[name])}"
        for category in missing.categories
        if (name := recommended_for(category))
    ]
    return f"Not looked for, because no installed model covers them: {names}.{''.join(known)}"


def describe_steps(ended: int, paths: PathCount, elapsed: float) -> list[str]:
    """Return which of several paths is scanned now, and an estimate of the time that is left, by
    the number of paths; none where it would be a guess.

    >>> describe_steps(36, PathCount(total=305), 60.0)
    ['37 of 305', '7:28 left']
    """
    if paths.total < 2:
        return []
    steps = [f"{min(ended + 1, paths.total)} of {paths.total}"]
    if ended and not paths.live and elapsed >= FIRST_ESTIMATE:
        left = elapsed / ended * max(paths.total - ended, 0)
        steps.append(f"{clock(left).partition('.')[0]} left")
    return steps


@dataclass(slots=True)
class ScanDisplay:
    """Shows the progress of a scan, collects its lines, and prints tables at the end."""

    console: Console
    paths: PathCount = field(default_factory=PathCount)
    """How many paths there are; a total of 0 is not shown."""
    now: Callable[[], float] = time.monotonic
    incidents: list[IncidentLine] = field(default_factory=list)
    summaries: list[SummaryLine] = field(default_factory=list)
    errors: list[ErrorLine] = field(default_factory=list)
    unseen: dict[str, float] = field(default_factory=dict)
    """Seconds that were not seen, by the reason in words."""
    _ended: set[str] = field(default_factory=set)
    """Paths that were scanned to their end, or failed."""
    _frames: int = 0
    _began: float = 0.0
    _progress: Progress | None = None

    def __enter__(self) -> ScanDisplay:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10, pulse_style="cyan"),
            TimeElapsedColumn(),
        )
        self._began = self.now()
        self._progress = Progress(*columns, console=self.console, transient=True)
        self._progress.start()
        self._progress.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the progress; its line disappears."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        """Show one event of the scan, and collect its lines."""
        match event.event:
            case Opened() as opened:
                self._print_opened(event.path, opened)
            case PathFailed() | StreamFinished():
                self._ended.add(event.path)
        for line in lines:
            self._collect(line)

    def _print_opened(self, path: str, opened: Opened) -> None:
        incident = opened.incident
        self.print_message(
            Text.assemble(
                (f"opened  {incident.label}", SEVERITIES[incident.severity]),
                f"  at {clock(float(opened.at))} of ",
                sanitize(path),
            )
        )

    def _collect(self, line: Line) -> None:
        match line:
            case FrameLine():
                self._frames += 1
                self._describe(line)
            case GapLine():
                seconds = self.unseen.get(line.message, 0.0) + line.end - line.start
                self.unseen[line.message] = seconds
            case IncidentLine():
                self.incidents.append(line)
            case SummaryLine():
                self.summaries.append(line)
            case SkippedLine():
                self.print_message(Text.assemble(("skipped ", "yellow"), sanitize(line.message)))
            case ErrorLine():
                self.errors.append(line)
                self.print_message(
                    Text.assemble(("error   ", "red"), f"{line.kind}: ", sanitize(line.message))
                )

    def print_tables(self, console: Console, missing: Uncovered) -> None:
        """Print incidents, then paths, totals, and what no model covers."""
        if self.incidents:
            console.print(incident_table(self.incidents))
            for line in sort_incidents(self.incidents):
                if line.clip is not None:
                    console.print(
                        Text.assemble(
                            f"clip of {line.label} at {clock(line.start)}: ", sanitize(line.clip)
                        ),
                        soft_wrap=True,
                    )
        if self.summaries or self.errors:
            console.print(path_table(self.summaries, self.errors))
            console.print(describe_totals(self.summaries, self.errors, self.incidents))
            for reason, seconds in self.unseen.items():
                console.print(f"not seen: {clock(seconds)} ({reason})")
        else:
            console.print("nothing was scanned")
        console.print(describe_uncovered(missing), style="dim")

    def _describe(self, line: FrameLine) -> None:
        """Show how far the scan is."""
        if self._progress is None:
            return
        ended = len(self._ended)
        steps = describe_steps(ended, self.paths, self.now() - self._began)
        position = f"{clock(line.at)} of {sanitize(line.path)}"
        self._progress.update(
            self._progress.task_ids[0],
            description=" \N{MIDDLE DOT} ".join(
                (*steps, count_of(self._frames, "frame"), position)
            ),
            total=self.paths.total if self.paths.total > 1 else None,
            completed=ended,
        )

    def print_message(self, text: Text | str) -> None:
        """Print a line above the progress."""
        (self._progress.console if self._progress is not None else self.console).print(text)
