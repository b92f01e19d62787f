"""Output of commands for people: consoles, and tables that fit any width.

Names, messages and labels come from outside. Nothing that is printed here is parsed as markup, and
characters that control a terminal or change the writing direction are shown as escapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from scanner.report.text import plain

__all__ = ["OutputTable", "new_table", "open_console", "sanitize", "wall"]

LAST_COLUMN = 20
"""Characters that the last column needs at least; it has the remaining width and is wrapped."""
BETWEEN, EDGES = 3, 2
"""Characters between two columns, and beside the outer ones."""
INDENT = 2
"""Of a paragraph below its heading."""
PATH = "path"
"""Name of a last column that is the heading of a row's paragraph; else the first one is."""


def sanitize(text: str) -> Text:
    r"""Return text in which invisible characters are escapes.

    >>> sanitize("a\x1b[2Jb\u202e[/x]").plain
    'a\\u001b[2Jb\\u202e[/x]'
    """
    return Text(plain(text))


def open_console(*, stderr: bool = False) -> Console:
    """Return a console that takes text as it is: no string is parsed as markup, in tables neither.

    Control characters that reach it are escaped, also those of text that was not passed to
    ``sanitize``.
    """
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    console.push_render_hook(_EscapeControls())
    return console


class _EscapeControls(RenderHook):
    """Escapes control characters in everything that a console prints."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Escaped(renderable) for renderable in renderables]


class _Escaped:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
                continue
            text = "\n".join(plain(line) for line in segment.text.split("\n"))
            yield Segment(text, segment.style)


@dataclass(slots=True)
class OutputTable:
    """Rows under named columns; if they are wider than the terminal, a paragraph for each row.

    No cell is truncated. The last column is wrapped.
    """

    title: str
    columns: tuple[str, ...]
    _rows: list[tuple[tuple[Text, ...], str]] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def add_row(self, *cells: str | Text, style: str = "") -> None:
        """Add a row with a cell for each column; invisible characters of texts are escaped."""
        texts = (cell if isinstance(cell, Text) else sanitize(cell) for cell in cells)
        self._rows.append((tuple(texts), style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render for the width of a terminal."""
        if self._width() <= options.max_width:
            yield self._grid()
            return
        yield Text(self.title, style="italic")
        heading = -1 if self.columns[-1] == PATH else 0
        for cells, style in self._rows:
            yield Text.assemble(cells[heading], style=f"bold {style}".strip())
            yield Padding(self._describe(cells, style), (0, 0, 0, INDENT))

    def _width(self) -> int:
        """Return the characters that columns need at least, with no word broken but in the last."""
        *widths, last = self._words()
        return sum(widths) + min(last, LAST_COLUMN) + BETWEEN * (len(self.columns) - 1) + EDGES

    def _words(self) -> list[int]:
        """Return the length of the longest word of each column."""
        return [
            max(cell_len(word) for cell in column for word in ("", *cell.split()))
            for column in zip(
                self.columns,
                *([cell.plain for cell in cells] for cells, _ in self._rows),
                strict=True,
            )
        ]

    def _grid(self) -> Table:
        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        *words, last = self._words()
        for name, word in zip(self.columns[:-1], words, strict=True):
            table.add_column(name, min_width=word)
        table.add_column(self.columns[-1], overflow="fold", min_width=min(last, LAST_COLUMN))
        for cells, style in self._rows:
            table.add_row(*cells, style=style)
        return table

    def _describe(self, cells: tuple[Text, ...], style: str) -> Text:
        """Return all cells but the heading as one text, each with the name of its column."""
        is_path = self.columns[-1] == PATH
        kept = slice(0, -1) if is_path else slice(1, None)
        parts = [
            Text.assemble((f"{name} ", "dim"), cell)
            for name, cell in zip(self.columns[kept], cells[kept], strict=True)
            if cell.plain
        ]
        return Text(", ", style=style, overflow="fold").join(parts)


def new_table(title: str, *columns: str) -> OutputTable:
    """Return an empty table with these columns."""
    return OutputTable(title=title, columns=columns)


def wall(seconds: float) -> str:
    """Return a time as text, given in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
