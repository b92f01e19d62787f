"""What people see of a scan: progress while it runs, then tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from scanner.lines import ErrorLine, FrameLine, GapLine, IncidentLine, SummaryLine
from scanner.report.text import clock
from scanner.risk import Opened
from scanner.scan import Said
from scanner.taxonomy import Uncovered

__all__ = ["Board", "harmless", "new_table", "not_covered"]

SEVERITIES = ("green", "yellow", "dark_orange", "red")
"""The colour of each severity, 0 to 3."""
WORTH_SAYING = 0.005
"""Of a medium's share: less rounds to 0 %."""
WELL_SEEN = 0.99
"""A path of which less was seen stands out."""


def harmless(text: str) -> Text:
    """A name as it is, less what would drive a terminal or turn the writing direction."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))


def not_covered(missing: Uncovered) -> str:
    """One sentence on what nobody looked for, so that silence is not taken for safety."""
    if not missing.labels:
        return "Every label of the taxonomy has a model."
    if not missing.categories:
        return f"Not looked for, because no installed model covers them: {', '.join(missing.labels)}."
    return f"Not looked for, because no installed model covers them: {', '.join(missing.categories)}."


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
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(pulse_style="cyan"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self.console, transient=True)
        self._progress.start()
        self._progress.add_task("starting", total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def note(self, said: Said) -> None:
        """Take in one thing that the scan said."""
        match said:
            case FrameLine():
                self._frames += 1
                self._describe(f"{self._frames} frames · {clock(said.at)} of {harmless(said.path)}")
            case Opened(at=at, incident=incident):
                self.say(
                    Text.assemble(
                        (f"opened  {incident.label}", SEVERITIES[incident.severity]),
                        f"  at {clock(float(at))} of ",
                        harmless(incident.stream_id),
                    )
                )
            case IncidentLine():
                self.incidents.append(said)
            case SummaryLine():
                self.summaries.append(said)
            case GapLine():
                self.gaps.append(said)
            case ErrorLine():
                self.errors.append(said)
                self.say(Text.assemble(("error   ", "red"), f"{said.kind}: ", harmless(said.message)))

    def print_tables(self, console: Console, missing: Uncovered) -> None:
        """Incidents, then one row for each path, then what nobody looked for."""
        if self.incidents:
            console.print(self._incident_table())
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
        (self._progress.console if self._progress is not None else self.console).print(text, markup=False, highlight=False)

    def _incident_table(self) -> Table:
        table = new_table("Incidents", "path", "label", "severity", "began", "known", "ended", "peak risk", "clip")
        for line in sorted(self.incidents, key=lambda line: (-line.severity, line.path, line.start)):
            labels = Text(", ".join(line.labels) + (" (shadow)" if line.shadow else ""), style=SEVERITIES[line.severity])
            times = (clock(line.start), clock(line.opened), clock(line.end))
            table.add_row(harmless(line.path), labels, str(line.severity), *times, f"{line.peak:.3f}", harmless(line.clip or "-"))
        return table

    def _path_table(self) -> Table:
        table = new_table("Paths", "path", "duration", "frames", "seen", "medium", "highest scores", "flagged")
        for line in self.summaries:
            medium = ", ".join(
                f"{name} {share:.0%}" for name, share in sorted(line.medium.items(), key=lambda kv: -kv[1]) if share >= WORTH_SAYING
            )
            scores = ", ".join(f"{label} {value:.2f}" for label, value in sorted(line.peak_score.items(), key=lambda kv: -kv[1])[:3])
            flagged = Text(", ".join(line.flagged) or "-", style="red" if line.flagged else "")
            seen = Text(f"{line.coverage:.0%}", style="yellow" if line.coverage < WELL_SEEN else "")
            table.add_row(harmless(line.path), clock(line.duration), str(line.frames), seen, medium or "-", scores or "-", flagged)
        return table
