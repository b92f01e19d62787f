"""What people see of a scan: progress while it runs, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from scanner.model_import.catalogue import recommended_for
from scanner.pipeline.scan import ScanEvent
from scanner.report.lines import ErrorLine, FrameLine, GapLine, IncidentLine, Line, SummaryLine
from scanner.report.text import clock
from scanner.risk.incident import Opened
from scanner.taxonomy import Uncovered

__all__ = ["Board", "harmless", "new_table", "not_covered"]

SEVERITIES = ("green", "yellow", "dark_orange", "red")
"""The colour of each severity, 0 to 3."""
WELL_SEEN = 0.99
"""A path of which less was seen stands out."""


def harmless(text: str) -> Text:
    """A name as it is, less what would drive a terminal or turn the writing direction."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def not_covered(missing: Uncovered) -> str:
    """One sentence on what nobody looked for, so that silence is not taken for safety, and one on
    what can be had for it."""
    if not missing.labels:
        return "Every label of the taxonomy has a model."
    if not missing.categories:
        return (
            f"Not looked for, because no installed model covers them: {', '.join(missing.labels)}."
        )
    known = [
        f" For {category}: streamwarden models add {name}."
        for category in missing.categories
        if (name := recommended_for(category))
    ]
    return f"Not looked for, because no installed model covers them: {', '.join(missing.categories)}.{''.join(known)}"


def new_table(title: str, *columns: str) -> Table:
    """An empty table whose cells are folded and never cut short."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


@dataclass(slots=True)
class Board:
    """Collects what is told, shows how far the scan is, and prints the tables at the end."""

    console: Console
    incidents: list[IncidentLine] = field(default_factory=list)
    summaries: list[SummaryLine] = field(default_factory=list)
    errors: list[ErrorLine] = field(default_factory=list)
    gaps: list[GapLine] = field(default_factory=list)
    _frames: int = 0
    _progress: Progress | None = None

    def __enter__(self) -> Board:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
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
        if self._progress is not None:
            self._progress.stop()

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        """Show one event of the scan and the lines that tell of it."""
        if isinstance(event.event, Opened):
            self._say_opened(event.path, event.event)
        for line in lines:
            self._add(line)

    def _say_opened(self, path: str, opened: Opened) -> None:
        incident = opened.incident
        self.say(
            Text.assemble(
                (f"opened  {incident.label}", SEVERITIES[incident.severity]),
                f"  at {clock(float(opened.at))} of ",
                harmless(path),
            )
        )

    def _add(self, line: Line) -> None:
        match line:
            case FrameLine():
                self._frames += 1
                self._describe(f"{self._frames} frames · {clock(line.at)} of {harmless(line.path)}")
            case IncidentLine():
                self.incidents.append(line)
            case SummaryLine():
                self.summaries.append(line)
            case GapLine():
                self.gaps.append(line)
            case ErrorLine():
                self.errors.append(line)
                self.say(
                    Text.assemble(("error   ", "red"), f"{line.kind}: ", harmless(line.message))
                )

    def print_tables(self, console: Console, missing: Uncovered) -> None:
        """Incidents, then one row for each path, then what nobody looked for."""
        if self.incidents:
            console.print(self._incident_table())
            for line in self._in_order():
                if line.clip is not None:
                    console.print(
                        Text.assemble(
                            f"clip of {line.label} at {clock(line.start)}: ", harmless(line.clip)
                        ),
                        soft_wrap=True,
                    )
        if self.summaries:
            console.print(self._path_table())
        elif not self.errors:
            console.print("nothing was scanned")
        console.print(not_covered(missing), style="dim")

    def _describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=text)

    def say(self, text: Text | str) -> None:
        """A line above the progress."""
        (self._progress.console if self._progress is not None else self.console).print(
            text, markup=False, highlight=False
        )

    def _incident_table(self) -> Table:
        table = _table(
            "Incidents", ("label", "severity", "began", "ended", "known at", "risk", "path")
        )
        for line in self._in_order():
            labels = Text(
                ", ".join(line.labels) + (" (shadow)" if line.shadow else ""),
                style=SEVERITIES[line.severity],
            )
            times = (clock(line.start), clock(line.end), clock(line.opened))
            table.add_row(
                labels, str(line.severity), *times, f"{line.peak:.3f}", harmless(line.path)
            )
        return table

    def _in_order(self) -> list[IncidentLine]:
        return sorted(
            self.incidents, key=lambda line: (line.shadow, -line.severity, line.path, line.start)
        )

    def _path_table(self) -> Table:
        table = _table("Paths", ("flagged", "length", "seen", "medium", "highest score", "path"))
        for line in self.summaries:
            flagged = Text(", ".join(line.flagged) or "-", style="red" if line.flagged else "")
            seen = Text(f"{line.coverage:.0%}", style="yellow" if line.coverage < WELL_SEEN else "")
            table.add_row(
                flagged,
                clock(line.duration),
                seen,
                _largest(line.medium, ".0%"),
                _largest(line.peak_score, ".2f"),
                harmless(line.path),
            )
        return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    """Its last column, the path, takes what width is left; paths are folded, never cut."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    return table


def _largest(values: Mapping[str, float], form: str) -> str:
    """The name with the highest value, and the value."""
    name = max(values, key=lambda name: values[name], default=None)
    return "-" if name is None else f"{name} {values[name]:{form}}"
