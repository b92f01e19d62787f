"""A data folder of an earlier release is upgraded with its rows, and its streams continue."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from scanner.store import migrate
from scanner.store.database import FILE_NAME, open_journal
from tests.whole.facts import Facts, read_facts
from tests.whole.program import environment
from tests.whole.service import SETTLE_SECONDS, Sender, is_settled, running_service
from tests.whole.test_service_kills import RULES_OFF, undisturbed

EARLIER = ("0001", "0004")
SENT = 3
"""Segments of each stream that the earlier release has scored."""
Rows = dict[str, list[tuple[Any, ...]]]


def create_earlier(folder: Path, revision: str) -> None:
    """Make the journal of an earlier release, without rows."""
    folder.mkdir(mode=0o700)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{folder / FILE_NAME}", module=sqlite, poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def columns(connection: Any) -> dict[str, list[str]]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = [name for (name,) in connection.execute(query)]
    return {
        table: [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
        for table in tables
        if table != "alembic_version"
    }


def read_rows(file: Path, wanted: Mapping[str, Sequence[str]]) -> Rows:
    with closing(sqlite.connect(str(file))) as connection:
        return {
            table: sorted(connection.execute(f"SELECT {','.join(names)} FROM {table}"), key=repr)
            for table, names in wanted.items()
        }


def fill(earlier: Path, newer: Path) -> dict[str, list[str]]:
    """Copy what the earlier tables have room for; return their tables and columns."""
    with (
        closing(sqlite.connect(str(earlier))) as target,
        closing(sqlite.connect(str(newer))) as source,
    ):
        now = columns(source)
        shared = {
            table: [name for name in names if name in now[table]]
            for table, names in columns(target).items()
            if table in now
        }
        for table, names in shared.items():
            marks = ",".join("?" * len(names))
            rows = list(source.execute(f"SELECT {','.join(names)} FROM {table}"))
            target.execute(f"DELETE FROM {table}")
            target.executemany(f"INSERT INTO {table} ({','.join(names)}) VALUES ({marks})", rows)
        target.commit()
    return shared


def score_a_part(folder: Path, streams: Mapping[str, Sequence[Path]]) -> None:
    """Let a service score the first segments of each stream."""
    with running_service(folder, extra=RULES_OFF) as service:
        sender = Sender(service)
        for name, paths in streams.items():
            sender.send(name, paths, order=range(SENT))

        def is_scored() -> bool:
            verdicts = read_facts(folder).verdicts
            return all(verdicts.get((one, n)) for one in streams for n in range(SENT))

        service.wait_for(is_scored, SETTLE_SECONDS, "scored")


def continue_with(folder: Path, streams: Mapping[str, Sequence[Path]]) -> Facts:
    """Let a service score the rest of each stream."""
    with running_service(folder, extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        for name, paths in streams.items():
            sender.send(name, paths, order=range(SENT, len(paths)))
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
    return read_facts(folder)


@pytest.mark.slow
@pytest.mark.fault
def test_a_data_folder_of_an_earlier_release_is_upgraded_and_its_streams_continue(
    tmp_path: Path, demo_media: Path
) -> None:
    streams = {scene: sorted((demo_media / scene).glob("*.ts")) for scene in ("test-card", "game")}
    streams = {name: paths for name, paths in streams.items() if paths}
    score_a_part(tmp_path / "now", streams)
    expected = undisturbed(tmp_path, streams)

    for revision in EARLIER:
        folder = tmp_path / revision
        create_earlier(folder, revision)
        shared = fill(folder / FILE_NAME, tmp_path / "now" / FILE_NAME)
        before = read_rows(folder / FILE_NAME, shared)
        ignored = shutil.ignore_patterns(f"{FILE_NAME}*", "*.lock")
        shutil.copytree(tmp_path / "now", folder, dirs_exist_ok=True, ignore=ignored)
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli", "migrate", "--data", str(folder)],
            env=environment({}),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert read_rows(folder / FILE_NAME, shared) == before
        assert before["segments"]

        found = continue_with(folder, streams)

        assert found.events == expected.events
        assert found.revisions == expected.revisions
        open_journal(folder).close()
