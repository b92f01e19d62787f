"""The output of a scan for people: progress while it runs, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from scanner.cli.terminal import OutputTable, new_table, sanitize
from scanner.model_import.catalogue import recommended_for
from scanner.pipeline.scan import ScanEvent
from scanner.report.lines import ErrorLine, FrameLine, IncidentLine, Line, SkippedLine, SummaryLine
from scanner.report.text import clock
from scanner.risk.incident import Opened
from scanner.taxonomy import Uncovered

__all__ = ["ScanDisplay", "describe_uncovered"]

SEVERITIES = ("green", "yellow", "dark_orange", "red")
"""The colour of each severity, 0 to 3."""
WELL_SEEN = 0.99
"""Coverage below which a path is highlighted."""


def describe_uncovered(missing: Uncovered) -> str:
    """Return a sentence that names what no model covers, so that silence is not taken for safety,
    and one for each category that a known model would cover."""
    if not missing.labels:
        return "Every label of the taxonomy has a model."
    names = ", ".join(missing.categories or missing.labels)
    known = [
        f" For {category}: streamwarden models add {name}."
        for category in missing.categories
        if (name := recommended_for(category))
    ]
    return f"Not looked for, because no installed model covers them: {names}.{''.join(known)}"


@dataclass(slots=True)
class ScanDisplay:
    """Shows the progress of a scan, collects its lines, and prints tables at the end."""

    console: Console
    incidents: list[IncidentLine] = field(default_factory=list)
    summaries: list[SummaryLine] = field(default_factory=list)
    errors: list[ErrorLine] = field(default_factory=list)
    _frames: int = 0
    _progress: Progress | None = None

    def __enter__(self) -> ScanDisplay:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(pulse_style="cyan"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=self.console, transient=True)
        self._progress.start()
        self._progress.add_task("starting", total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the progress; its line disappears."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        """Show one event of the scan, and collect its lines."""
        if isinstance(event.event, Opened):
            self._print_opened(event.path, event.event)
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
                position = f"{clock(line.at)} of {sanitize(line.path)}"
                self._describe(f"{self._frames} frames · {position}")
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
        """Print incidents, then one row for each path, then what no model covers."""
        if self.incidents:
            console.print(self._incident_table())
            for line in self._sorted_incidents():
                if line.clip is not None:
                    console.print(
                        Text.assemble(
                            f"clip of {line.label} at {clock(line.start)}: ", sanitize(line.clip)
                        ),
                        soft_wrap=True,
                    )
        if self.summaries:
            console.print(self._path_table())
        elif not self.errors:
            console.print("nothing was scanned")
        console.print(describe_uncovered(missing), style="dim")

    def _describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=text)

    def print_message(self, text: Text | str) -> None:
        """Print a line above the progress."""
        (self._progress.console if self._progress is not None else self.console).print(text)

    def _incident_table(self) -> OutputTable:
        table = new_table(
            "Incidents", "label", "severity", "began", "ended", "known", "risk", "path"
        )
        for line in self._sorted_incidents():
            labels = Text(
                ", ".join(line.labels) + (" (shadow)" if line.shadow else ""),
                style=SEVERITIES[line.severity],
            )
            times = (clock(line.start), clock(line.end), clock(line.opened))
            table.add_row(
                labels, str(line.severity), *times, f"{line.peak:.3f}", sanitize(line.path)
            )
        return table

    def _sorted_incidents(self) -> list[IncidentLine]:
        return sorted(
            self.incidents, key=lambda line: (line.shadow, -line.severity, line.path, line.start)
        )

    def _path_table(self) -> OutputTable:
        table = new_table("Paths", "flagged", "length", "seen", "medium", "highest score", "path")
        for line in self.summaries:
            flagged = Text(", ".join(line.flagged) or "-", style="red" if line.flagged else "")
            seen = Text(f"{line.coverage:.0%}", style="yellow" if line.coverage < WELL_SEEN else "")
            table.add_row(
                flagged,
                clock(line.duration),
                seen,
                _largest(line.medium, ".0%"),
                _largest(line.peak_score, ".2f"),
                sanitize(line.path),
            )
        return table


def _largest(values: Mapping[str, float], form: str) -> str:
    """Return the name with the highest value, and the value."""
    name = max(values, key=lambda name: values[name], default=None)
    return "-" if name is None else f"{name} {values[name]:{form}}"
