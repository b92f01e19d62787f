"""What several requests deliver is durable at once, or the process ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from scanner.errors import TransientError
from scanner.intake import committer as module
from scanner.intake.committer import GroupCommitter
from scanner.store.database import FILE_NAME, Journal, open_journal
from scanner.store.intake import Acceptance, NewSegment, NewStream
from scanner.store.objects import ObjectStore
from scanner.store.submissions import Submission, commit_rows


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return open_journal(tmp_path, create=True)


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def submission(objects: ObjectStore, sequence: int, stream_id: str = "s") -> Submission:
    incoming = objects.receive()
    incoming.write(b"x")
    row = NewSegment(
        stream=NewStream(stream_id=stream_id),
        sequence=sequence,
        object=f"segments/{sequence}-{incoming.path.name}",
        bytes=1,
        sha256=incoming.sha256,
    )
    return Submission(row=row, incoming=incoming)


def commit_all(
    journal: Journal,
    objects: ObjectStore,
    *submissions: Submission,
    end_process: Callable[[BaseException], None] | None = None,
) -> list[Acceptance | BaseException]:
    """Commit submissions at once, and return what became of each."""

    async def run() -> list[Acceptance | BaseException]:
        committer = GroupCommitter(journal, objects, end_process=end_process)
        try:
            waiting = [committer.commit(one) for one in submissions]
            return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)
        finally:
            await asyncio.to_thread(committer.close)

    return asyncio.run(run())


def test_requests_that_arrive_together_share_flushes(
    journal: Journal, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []

    def count(
        journal: Journal, objects: ObjectStore, group: list[Submission], *, shard_count: int
    ) -> list[Acceptance]:
        groups.append(len(group))
        return commit_rows(journal, objects, group, shard_count=shard_count)

    monkeypatch.setattr(module, "commit_rows", count)
    results = commit_all(journal, objects, *(submission(objects, n) for n in range(40)))

    assert results == ["accepted"] * 40
    assert sum(groups) == 40
    assert max(groups) <= 16
    assert len(groups) < 20


def test_of_the_same_sequence_in_one_group_the_first_is_accepted(
    journal: Journal, objects: ObjectStore
) -> None:
    same, other = submission(objects, 0), submission(objects, 0)

    assert commit_all(journal, objects, same, other) == ["accepted", "same"]
    left = [path.name for path in objects.path("segments").iterdir()]
    assert left == [str(same.object).removeprefix("segments/")]


def test_an_error_of_the_flush_ends_the_process_and_answers_nothing(
    journal: Journal, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    flushes: list[object] = []

    def fail(*_: object) -> None:
        flushes.append(None)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ObjectStore, "_flush", fail)

    async def run() -> bool:
        committer = GroupCommitter(journal, objects, end_process=lambda _: ended.set())
        answer = asyncio.ensure_future(committer.commit(submission(objects, 0)))
        await asyncio.to_thread(ended.wait, 20)
        answered = answer.done()
        answer.cancel()
        return answered

    assert not asyncio.run(run())
    assert ended.is_set()
    assert len(flushes) == 1


def test_a_locked_journal_is_told_and_nothing_is_written(
    journal: Journal, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with journal.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    blocker = dbapi2.connect(str(tmp_path / FILE_NAME))
    blocker.execute("BEGIN IMMEDIATE")

    (result,) = commit_all(journal, objects, submission(objects, 0))
    blocker.rollback()

    assert isinstance(result, TransientError)
    assert list(objects.path("segments").iterdir()) == []
    assert commit_all(journal, objects, submission(objects, 0)) == ["accepted"]


def test_a_defect_of_one_is_told_to_it_alone_and_leaves_no_object(
    journal: Journal, objects: ObjectStore
) -> None:
    broken = submission(objects, 0, stream_id="\udc00")

    first, error, last = commit_all(
        journal, objects, submission(objects, 1), broken, submission(objects, 2)
    )

    assert (first, last) == ("accepted", "accepted")
    assert isinstance(error, UnicodeEncodeError)
    assert not objects.path(broken.object or "").exists()
    assert commit_all(journal, objects, submission(objects, 3)) == ["accepted"]
