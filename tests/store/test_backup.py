"""A backup is complete or absent, and what is restored from it is what the journal names."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from scanner.errors import SetupError
from scanner.store import backup as backup_module
from scanner.store.backup import BackupFacts, back_up, restore
from scanner.store.database import FILE_NAME, Journal, open_journal
from scanner.store.intake import NewSegment, NewStream
from scanner.store.objects import ObjectStore, segment_name
from scanner.store.operation_queries import OperationQueries
from scanner.store.schema import segments
from scanner.store.submissions import Submission, commit_rows, put_objects

STREAM = NewStream(stream_id="s", channel="c")


def put(journal: Journal, objects: ObjectStore, sequence: int) -> None:
    incoming = objects.receive()
    incoming.write(f"segment {sequence}".encode())
    name = segment_name("segments", "s", str(sequence), incoming.sha256)
    row = NewSegment(
        stream=STREAM,
        sequence=sequence,
        object=name,
        bytes=incoming.size,
        sha256=incoming.sha256,
    )
    group = [Submission(row=row, incoming=incoming)]
    put_objects(objects, group)
    commit_rows(journal, objects, group, shard_count=journal.shard_count)


def sequences(data: Path) -> list[int]:
    """Return the sequences in the journal of a folder, each of which has its bytes."""
    journal = open_journal(data)
    with journal.read() as connection:
        rows = connection.execute(select(segments.c.sequence, segments.c.object)).all()
    journal.close()
    for row in rows:
        assert (data / "objects" / row.object).read_bytes() == f"segment {row.sequence}".encode()
    return sorted(row.sequence for row in rows)


@pytest.fixture
def data(tmp_path: Path, journal: Journal, objects: ObjectStore) -> Path:
    for sequence in range(3):
        put(journal, objects, sequence)
    return tmp_path / "data"


def test_what_is_restored_is_what_was_there(data: Path, tmp_path: Path) -> None:
    (data / "audit.key").write_text("secret")

    made = back_up(data, tmp_path / "backup")
    shutil.rmtree(data)
    restored = restore(tmp_path / "backup", data)

    assert made == restored == BackupFacts.read(tmp_path / "backup")
    assert made.objects == 3
    assert sequences(data) == [0, 1, 2]
    assert (data / "audit.key").read_text() == "secret"
    assert not (tmp_path / "data.partial").exists()


def test_the_time_of_the_latest_complete_backup_is_in_the_journal(
    data: Path, tmp_path: Path, journal: Journal
) -> None:
    operation = OperationQueries(journal)
    assert operation.backed_up_at() == 0.0

    made = back_up(data, tmp_path / "backup")

    assert operation.backed_up_at() == made.created_at > 0.0


def test_a_backup_under_load_has_the_bytes_of_every_row(
    data: Path, tmp_path: Path, journal: Journal, objects: ObjectStore
) -> None:
    ended = threading.Event()

    def write() -> None:
        sequence = 3
        while not ended.is_set():
            put(journal, objects, sequence)
            sequence += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(data, tmp_path / f"backup-{number}")
    finally:
        ended.set()
        writer.join()

    found = [sequences(tmp_path / f"backup-{number}") for number in range(5)]
    assert all(one == [*range(len(one))] for one in found)
    assert len(found[0]) < len(found[-1])


def test_a_backup_that_is_interrupted_is_not_there_and_the_next_one_completes_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Path] = []
    copy = backup_module._copy

    def interrupted(source: Path, target: Path, *, link: bool) -> None:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(target)
        copy(source, target, link=link)

    with monkeypatch.context() as patched:
        patched.setattr(backup_module, "_copy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            back_up(data, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()

    back_up(data, tmp_path / "backup")
    assert sequences(tmp_path / "backup") == [0, 1, 2]


def test_a_damaged_or_incomplete_backup_is_refused(data: Path, tmp_path: Path) -> None:
    backup, target = tmp_path / "backup", tmp_path / "new"
    back_up(data, backup)

    def refusal() -> str:
        with pytest.raises(SetupError) as caught:
            restore(backup, target)
        assert not target.exists()
        return str(caught.value)

    path = next(path for path in (backup / "objects").rglob("*-1-*"))
    content = path.read_bytes()
    path.unlink()
    assert "is missing" in refusal()
    path.write_bytes(content + b"more")
    assert "was changed" in refusal()
    path.write_bytes(content)
    with (backup / FILE_NAME).open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    assert "was changed" in refusal()
    (backup / "backup.json").unlink()
    assert "no complete backup" in refusal()


def test_nothing_that_exists_is_overwritten(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")

    with pytest.raises(SetupError, match="exists; name a new folder"):
        back_up(data, tmp_path / "backup")
    with pytest.raises(SetupError, match="is not empty"):
        restore(tmp_path / "backup", data)
