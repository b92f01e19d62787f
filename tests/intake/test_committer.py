"""What several requests deliver is durable at once, or the process ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2

from scanner.errors import TransientError
from scanner.intake import committer as module
from scanner.intake import postponed
from scanner.intake.committer import GroupCommitter
from scanner.store.database import FILE_NAME, Journal, open_journal
from scanner.store.intake import Acceptance, NewSegment, NewStream
from scanner.store.objects import ObjectStore
from scanner.store.pushed import PushedObject
from scanner.store.submissions import Submission, commit_rows, put_objects


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
        with ThreadPoolExecutor(4) as pool:
            committer = GroupCommitter(journal, objects, pool, end_process=end_process)
            with closing(committer):
                waiting = [committer.commit(one) for one in submissions]
                return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)

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
        with ThreadPoolExecutor(4) as pool:
            committer = GroupCommitter(journal, objects, pool, end_process=lambda _: ended.set())
            first, second = submission(objects, 0), submission(objects, 1)
            answers = [asyncio.ensure_future(committer.commit(first))]
            await asyncio.to_thread(ended.wait, 20)
            answers.append(asyncio.ensure_future(committer.commit(second)))
            await asyncio.sleep(0)  # it is handed over
            await asyncio.to_thread(pool.shutdown)
        for one in (first, second):
            assert one.incoming is not None
            one.incoming.discard()
        answered = any(answer.done() for answer in answers)
        for answer in answers:
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


def pushed(objects: ObjectStore, number: int) -> Submission:
    incoming = objects.receive()
    incoming.write(b"x")
    row = PushedObject(
        channel="c",
        kind="segment",
        path=f"{number}.ts",
        key_id=None,
        object=f"segments/{number}",
        bytes=1,
        sha256=incoming.sha256,
        after=0,
        facts={},
    )
    return Submission(row=row, incoming=incoming)


def paths(journal: Journal) -> list[str]:
    with journal.engine.connect() as connection:
        query = "SELECT path FROM ingest_objects ORDER BY number"
        return [str(path) for (path,) in connection.exec_driver_sql(query)]


def test_what_encoders_push_while_the_journal_is_locked_is_recorded_in_order_afterwards(
    journal: Journal, objects: ObjectStore, tmp_path: Path
) -> None:
    with journal.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    blocker = dbapi2.connect(str(tmp_path / FILE_NAME))
    blocker.execute("BEGIN IMMEDIATE")

    async def run() -> list[object]:
        with ThreadPoolExecutor(4) as pool, closing(GroupCommitter(journal, objects, pool)) as one:
            results: list[object] = []
            for number in range(3):
                waiting = one.commit(pushed(objects, number))
                results += await asyncio.gather(waiting, return_exceptions=True)
            blocker.rollback()
            results.append(await one.commit(pushed(objects, 3)))
            return results

    *refused, last = asyncio.run(run())

    assert all(isinstance(one, TransientError) for one in refused)
    assert last == "accepted"
    assert paths(journal) == ["0.ts", "1.ts", "2.ts", "3.ts"]
    assert sorted(one.name for one in objects.path("segments").iterdir()) == ["0", "1", "2", "3"]


def test_what_is_postponed_is_bounded_in_number_and_time(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postponed, "MOST_KEPT", 2)
    times = iter([0.0, 200.0, 301.0, 301.0])
    kept = postponed.PostponedObjects(lambda: next(times))
    first, second, third = (pushed(objects, number) for number in range(3))

    assert [kept.add(one) for one in (first, second, third)] == [True, True, False]
    assert kept.take_expired() == [first]
    assert kept.oldest(9) == [second]
    for one in (first, second, third):
        assert one.incoming is not None
        one.incoming.discard()


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


def test_a_defect_of_storing_objects_is_told_to_their_requests_and_the_next_group_is_committed(
    journal: Journal, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []

    def put(objects: ObjectStore, group: list[Submission]) -> None:
        stored.append(len(group))
        if len(stored) == 1:
            raise ValueError("a defect")
        put_objects(objects, group)

    monkeypatch.setattr(module, "put_objects", put)
    monkeypatch.setattr(module, "GROUP", 1)

    results = commit_all(journal, objects, submission(objects, 0), submission(objects, 1))

    assert {str(one) for one in results} == {"a defect", "accepted"}
    assert len(list(objects.list_older(time.time() + 60))) == 1


def test_what_is_postponed_is_recorded_also_if_nothing_else_comes(
    journal: Journal, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    with journal.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=10")
    blocker = dbapi2.connect(str(tmp_path / FILE_NAME))
    blocker.execute("BEGIN IMMEDIATE")
    recorded = threading.Event()

    def record(
        journal: Journal, objects: ObjectStore, group: list[Submission], *, shard_count: int
    ) -> list[Acceptance]:
        accepted = commit_rows(journal, objects, group, shard_count=shard_count)
        recorded.set()
        return accepted

    monkeypatch.setattr(module, "commit_rows", record)

    async def run() -> bool:
        with ThreadPoolExecutor(4) as pool, closing(GroupCommitter(journal, objects, pool)) as one:
            with pytest.raises(TransientError):
                await one.commit(pushed(objects, 0))
            blocker.rollback()
            return await asyncio.to_thread(recorded.wait, 20)

    assert asyncio.run(run())
    assert paths(journal) == ["0.ts"]


def test_bytes_that_cannot_be_written_are_told_to_their_request_alone(
    journal: Journal, objects: ObjectStore
) -> None:
    def write() -> Submission:
        raise OSError(5, "Input/output error")

    async def run() -> list[object]:
        with ThreadPoolExecutor(4) as pool, closing(GroupCommitter(journal, objects, pool)) as one:
            failing, other = one.write_and_commit(write), one.commit(submission(objects, 0))
            return list(await asyncio.gather(failing, other, return_exceptions=True))

    error, accepted = asyncio.run(run())
    assert isinstance(error, OSError)
    assert accepted == "accepted"
