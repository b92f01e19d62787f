"""A prepared statement does what SQLAlchemy would do, in its transaction and with its errors."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, case, insert, select, update
from sqlalchemy.exc import IntegrityError

from scanner.store.database import Journal
from scanner.store.prepared import PreparedStatement
from scanner.store.schema import counters

ADD = PreparedStatement(insert(counters), "name", "label", "shard", "value")
READ = PreparedStatement(select(counters.c.value).where(counters.c.name == bindparam("of_name")))
RAISE = PreparedStatement(
    update(counters)
    .where(counters.c.name == bindparam("of_name"))
    .values(value=case((counters.c.value == 7, bindparam("to")), else_=0))
)
ROW = {"name": "n", "label": "l", "shard": 0, "value": 7}


def test_it_reads_and_writes_within_the_transaction(journal: Journal) -> None:
    with journal.write() as connection:
        assert READ.run(connection, {"of_name": "n"}) is None
        assert ADD.run(connection, ROW) is None
        RAISE.run(connection, {"to": 8, "of_name": "n"})
        row = READ.run(connection, {"of_name": "n"})
        assert row is not None
        assert tuple(row) == (8,)
        assert connection.execute(select(counters.c.value)).scalar_one() == 8


def test_an_error_is_that_of_sqlalchemy_and_undoes_the_transaction(journal: Journal) -> None:
    def add_twice() -> None:
        with journal.write() as connection:
            ADD.run(connection, ROW)
            ADD.run(connection, ROW)

    with pytest.raises(IntegrityError):
        add_twice()
    with journal.read() as connection:
        assert READ.run(connection, {"of_name": "n"}) is None
