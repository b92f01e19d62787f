"""A scan of the command line: its events are shown, recorded, and kept if it is interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from scanner.cli.interruption import Interrupted, Interruption
from scanner.cli.messages import print_message
from scanner.cli.status import Status
from scanner.compose import RunningScan
from scanner.errors import ScannerError, SetupError
from scanner.pipeline.scan import PathFailed, ScanEvent
from scanner.private import private_opener
from scanner.records.recording import RECORD_BEGIN, record_line
from scanner.report.line_text import dumps
from scanner.report.lines import ErrorLine, Line, SummaryLine
from scanner.stream.inputs import FilesSkipped
from scanner.taxonomy import Uncovered

if TYPE_CHECKING:
    from scanner.cli.show import ScanDisplay

__all__ = ["JsonOutput", "ScanOutput", "ScanRun", "TerminalOutput", "open_record"]


class ScanOutput(Protocol):
    """Shows a scan on standard output. After an error of the output it shows nothing more."""

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        """Show an event and its lines.

        Raises:
            OSError: the output cannot be written.
        """

    def finish(self, missing: Uncovered) -> None:
        """Show what can be told at the end; ``missing`` is what no model covers."""


@dataclass(slots=True)
class JsonOutput:
    """Prints the lines of ``scan --json``."""

    _is_broken: bool = False

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        if self._is_broken:
            return
        try:
            for line in lines:
                sys.stdout.write(dumps(line) + "\n")
                sys.stdout.flush()
        except OSError:
            self._is_broken = True
            raise

    def finish(self, missing: Uncovered) -> None:
        from scanner.cli.show import describe_uncovered  # with rich, as in TerminalOutput

        if not self._is_broken:
            print_message(describe_uncovered(missing), style="dim")


@dataclass(slots=True)
class TerminalOutput:
    """Shows progress on standard error, and prints tables at the end."""

    display: ScanDisplay

    def receive(self, event: ScanEvent, lines: Iterable[Line]) -> None:
        self.display.receive(event, lines)

    def finish(self, missing: Uncovered) -> None:
        from scanner.cli.terminal import open_console

        self.display.stop()
        self.display.print_tables(open_console(), missing)


@dataclass(slots=True, kw_only=True)
class ScanRun:
    """Runs one scan to its end, or to an interruption."""

    running: RunningScan
    output: ScanOutput
    record: Callable[[ScanEvent], None]
    interruption: Interruption
    missing: Uncovered
    _failed: bool = False
    _flagged: bool = False

    def run(self) -> Status:
        """Scan everything, write the report, and return the exit status.

        Raises:
            Interrupted: a signal ended the scan; what it did is shown and in the report.
            ScannerError, OSError: it cannot continue; what it did is in the report.
        """
        if self.running.earlier_report is not None:
            print_message(f"the earlier report was moved to {self.running.earlier_report}")
        try:
            for event in self.running.events:
                with self.interruption.defer_signals():
                    self._show(event, self.running.receive(event))
                    self.record(event)
        except (Interrupted, ScannerError, OSError) as error:
            self._keep(error)
            raise
        self._write_report()
        self.output.finish(self.missing)
        return self._status

    def _show(self, event: ScanEvent, lines: tuple[Line, ...]) -> None:
        for line in lines:
            self._failed = self._failed or isinstance(line, ErrorLine)
            self._flagged = self._flagged or (isinstance(line, SummaryLine) and bool(line.flagged))
        self.output.receive(event, lines)

    @property
    def _status(self) -> Status:
        if self._failed:
            return Status.FAILED
        return Status.FLAGGED if self._flagged else Status.NOTHING

    def _keep(self, error: BaseException) -> None:
        """End all streams where they are, and write the report; a second signal ends at once."""
        if isinstance(error, Interrupted):
            print_message(f"interrupted by {error.signal.name}; ending the streams where they are")
        try:
            for event, lines in self.running.end_interrupted():
                self._show(event, lines)
            self._write_report()
            self.output.finish(self.missing)
        except (ScannerError, OSError) as failure:
            print_message(f"streamwarden: {failure}")

    def _write_report(self) -> None:
        page = self.running.write_report()
        if page is not None:
            print_message(f"report: {page}")


@contextmanager
def open_record(path: Path | None) -> Iterator[Callable[[ScanEvent], None]]:
    """Yield a function that writes events to the file, or one that does nothing without a file.

    Raises:
        SetupError: the file cannot be written; also raised by the function. Or it exists and is no
            recording.
    """
    if path is None:
        yield lambda event: None
        return
    try:
        _refuse_to_overwrite(path)
        file = open(path, "w", encoding="ascii", opener=private_opener)  # noqa: SIM115
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        yield lambda event: _write_record(path, file, event)
    finally:
        _close(file)


def _refuse_to_overwrite(path: Path) -> None:
    """Refuse a file that is no recording, such as the video of a pattern in place of a name."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        begin = file.read(len(RECORD_BEGIN))
    if begin and begin != RECORD_BEGIN:
        raise SetupError(
            f"{path}: is not a recording, so it is not overwritten; give --record a new name"
        )


def _write_record(path: Path, file: TextIO, event: ScanEvent) -> None:
    if event.stream_id is None or isinstance(event.event, PathFailed | FilesSkipped):
        return
    try:
        file.write(record_line(event.path, event.stream_id, event.event) + "\n")
        file.flush()
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> SetupError:
    return SetupError(f"{path}: cannot be written: {error.strerror}")


def _close(file: TextIO) -> None:
    """Close a file whose last line may not have been written."""
    try:
        file.close()
    except OSError:  # what could not be flushed was reported when it was written
        return
