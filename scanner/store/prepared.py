"""Statements that are run so often that SQLAlchemy's work for each run shows.

SQLAlchemy writes their text once for each database; they run on the cursor of its connection, in
its transaction. Values and results are those of the driver, which holds for text and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.exc import DBAPIError

__all__ = ["PreparedStatement", "run_on_driver"]

Parameters = Sequence[Any] | Mapping[str, Any]


class PreparedStatement:
    """A statement with named values, whose text is kept for each kind of database."""

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        """``names`` are the columns of an insertion, where the statement does not name them."""
        self._statement = statement
        self._names = names or None
        self._compiled: dict[str, tuple[str, Callable[[Mapping[str, Any]], Parameters]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run it; return its first row, or None if it has none.

        Raises:
            DBAPIError: as SQLAlchemy raises it.
        """
        dialect = connection.dialect
        name = f"{dialect.name}+{dialect.driver}"
        if name not in self._compiled:
            self._compiled[name] = self._compile(connection)
        text, arrange = self._compiled[name]
        return run_on_driver(connection, text, arrange(values))

    def _compile(
        self, connection: Connection
    ) -> tuple[str, Callable[[Mapping[str, Any]], Parameters]]:
        """Return the text for a database, and what makes its parameters of named values."""
        compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
        constants: Final[dict[str, Any]] = dict(compiled.params)
        order = compiled.positiontup

        def arrange(values: Mapping[str, Any]) -> Parameters:
            given = {**constants, **values}
            return given if order is None else [given[name] for name in order]

        return str(compiled), arrange


def run_on_driver(
    connection: Connection, text: str, parameters: Parameters = ()
) -> Sequence[Any] | None:
    """Run a statement in the text of the database; return its first row, or None if it has none.

    Raises:
        DBAPIError: as SQLAlchemy raises it.
    """
    dialect: Any = connection.dialect
    try:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, parameters)
            row: Sequence[Any] | None = cursor.fetchone() if cursor.description else None
            return row
        finally:
            cursor.close()
    except dialect.loaded_dbapi.Error as error:
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(text, parameters, error, base, dialect=dialect) from error
