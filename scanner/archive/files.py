"""Parquet files of scores, durable; the only module that imports pyarrow.

A file is written under another name, flushed and renamed, and its folders are flushed, so it is
whole or not there. A row group ends with a turn, and no more than one is in memory at a time.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scanner.archive.rows import COLUMNS, ColumnType, Row
from scanner.errors import SetupError
from scanner.private import make_folder, private_opener

__all__ = [
    "PartFacts",
    "PartWriter",
    "StoredTurn",
    "copy_without",
    "read_rows",
    "read_turns",
    "write_rows",
]

GROUP_ROWS: Final = 16_384
"""Rows of a row group at least, but for the last one."""
UNFINISHED: Final = ".partial"
"""End of the name of a file that is being written."""

_TYPES: Final[dict[ColumnType, Any]] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "whole": pa.int64(),
    "real": pa.float64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}
SCHEMA: Final = pa.schema([(name, _TYPES[kind]) for name, kind in COLUMNS.items()])
_READ: Final = ("stream_id", "turn", "label", "score", "turn_event", "turn_record")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """What a file has."""

    turns: int
    scores: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTurn:
    """One turn as it was read from a file."""

    turn: int
    record: str | None
    """None if it could not be read when it was compacted."""
    scores: tuple[float, ...]


class PartWriter:
    """Writes one file; leaving the block makes it durable, an exception removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(path.name + UNFINISHED)
        make_folder(path.parent)
        self._file = open(self._unfinished, "wb", opener=private_opener)  # noqa: SIM115 - by __exit__
        self._writer = pq.ParquetWriter(self._file, SCHEMA, **_OPTIONS)
        self._rows: list[Row] = []
        self._turns = self._scores = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # a full disk, which the first error reports
                self._writer.close()
            self._file.close()
            self._unfinished.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Add the rows of one turn."""
        self._rows += rows
        self._turns += 1
        self._scores += sum(row.label is not None for row in rows)
        if len(self._rows) >= GROUP_ROWS:
            self._write_rows()

    def add_table(self, table: Any) -> None:
        """Add whole turns of another file as a row group."""
        self._turns += table.num_rows - table["turn_event"].null_count
        self._scores += table.num_rows - table["label"].null_count
        self._writer.write_table(table, row_group_size=table.num_rows)

    @property
    def facts(self) -> PartFacts:
        """What the file has, once it is finished."""
        return PartFacts(turns=self._turns, scores=self._scores, bytes=self._path.stat().st_size)

    def _write_rows(self) -> None:
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(SCHEMA, zip(*self._rows, strict=True), strict=True)
        ]
        table = pa.Table.from_arrays(arrays, schema=SCHEMA)
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._rows = []

    def _finish(self) -> None:
        if self._rows:
            self._write_rows()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._unfinished.replace(self._path)
        for folder in [*self._path.parents][:4]:  # hour, date, scores and the data folder
            _flush_folder(folder)


_DICTIONARIES: Final = [
    name
    for name, kind in COLUMNS.items()
    if (kind in ("text", "time") and name != "turn_record") or name in ("generation", "at_den")
]
_OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": _DICTIONARIES,
    "write_statistics": ["stream_id", "channel", "turn", "committed_at", "label", "score", "risk"],
    "coerce_timestamps": "us",
}


def copy_without(source: Path, target: Path, gone: Collection[str]) -> PartFacts:
    """Write a file with all turns of another one but those of some streams; ``target`` may be
    ``source``, which is then replaced. Without a turn that is left, no file is written.

    Raises:
        SetupError: ``source`` is no such file.
        OSError: the disk is full or failed.
    """
    leaving = pa.array(sorted(gone), type=pa.string())
    with _open(source) as file:
        kept = (
            table.filter(pc.invert(pc.is_in(table["stream_id"], value_set=leaving)))
            for table in (file.read_row_group(n) for n in range(file.num_row_groups))
        )
        first = next((table for table in kept if table.num_rows), None)
        if first is None:
            return PartFacts(turns=0, scores=0, bytes=0)
        with PartWriter(target) as writer:
            writer.add_table(first)
            for table in kept:
                if table.num_rows:
                    writer.add_table(table)
    return writer.facts


def read_turns(path: Path, stream_id: str) -> Iterator[StoredTurn]:
    """Yield the turns of one stream that a file has, in order.

    Raises:
        SetupError: it is no such file.
    """
    with _open(path) as file:
        column = file.schema_arrow.get_field_index("stream_id")
        for number in range(file.num_row_groups):
            if not _may_have(file.metadata.row_group(number).column(column), stream_id):
                continue
            table = file.read_row_group(number, columns=list(_READ))
            yield from _turns_of(table.filter(pc.equal(table["stream_id"], stream_id)))


def write_rows(
    path: Path, columns: Mapping[str, ColumnType], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write a small table to a file that only its owner may read.

    Raises:
        OSError: the disk is full or failed.
    """
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])
    with open(path, "wb", opener=private_opener) as file:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, compression="zstd")


def read_rows(path: Path, columns: Mapping[str, ColumnType]) -> list[dict[str, Any]]:
    """Return a small table as rows, with times as microseconds.

    Raises:
        SetupError: it cannot be read as Parquet.
        KeyError: it lacks a column.
    """
    with _open(path) as file:
        table = file.read()
    for name, kind in columns.items():
        if kind == "time":
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table[name].cast(pa.int64()))
    return list(table.select(list(columns)).to_pylist())


def _turns_of(table: Any) -> Iterator[StoredTurn]:
    turn: StoredTurn | None = None
    scores: list[float] = []
    columns = (table[name].to_pylist() for name in _READ[1:])
    for number, label, score, event, record in zip(*columns, strict=True):
        if event is not None:
            if turn is not None:
                yield _with_scores(turn, scores)
            turn, scores = StoredTurn(turn=number, record=record, scores=()), []
        if label is not None:
            scores.append(score)
    if turn is not None:
        yield _with_scores(turn, scores)


def _with_scores(turn: StoredTurn, scores: Sequence[float]) -> StoredTurn:
    return StoredTurn(turn=turn.turn, record=turn.record, scores=tuple(scores))


def _may_have(chunk: Any, stream_id: str) -> bool:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= stream_id <= statistics.max)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            yield file
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        raise SetupError(f"{path}: cannot be read as Parquet: {error}") from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
