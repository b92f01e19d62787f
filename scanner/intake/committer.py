"""Group commit: what several requests delivered becomes durable at once.

    request  -->  a thread writes its bytes, and adds it to what waits
                    |
                    +- no other thread commits: this one does, until nothing waits:
                    |    up to 16 at once: flush of bytes, transaction, all answers
                    +- another one does: this one is free for the next request

So one thread takes a lone request from its bytes to its answer. A group is what has arrived while
the group before it was committed, so that nothing waits for others at rest. What encoders pushed
while the journal was locked is postponed, and committed before all else once the lock is free.

An error of the disk after which durability is not known ends the process: a second flush would
report success without having written anything.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, NoReturn

import structlog

from scanner.errors import TransientError
from scanner.intake.postponed import PostponedObjects
from scanner.store.database import Journal, JournalBusyError
from scanner.store.intake import Acceptance
from scanner.store.objects import ObjectStore
from scanner.store.submissions import (
    JournalFailedError,
    Submission,
    commit_rows,
    put_objects,
    remove_objects,
)

__all__ = ["GroupCommitter"]

GROUP: Final = 16
"""Most submissions of one group."""
RETRY_SECONDS: Final = 1.0
"""Between two attempts to commit what is postponed, where nothing else comes."""
EXIT_STATUS: Final = 74
"""Exit status after an error of the disk (``EX_IOERR``)."""

_log = structlog.get_logger(__name__)


Answer = asyncio.Future[Acceptance]
Entry = tuple[Submission, Answer]


class GroupCommitter:
    """Commits submissions of one event loop in groups, in the threads of ``pool``."""

    def __init__(
        self,
        journal: Journal,
        objects: ObjectStore,
        pool: Executor,
        *,
        end_process: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._journal = journal
        self._objects = objects
        self._pool = pool
        self._end_process = end_process or _end_process
        self._loop = asyncio.get_running_loop()
        self._shard_count = journal.shard_count
        self._waiting: deque[Entry] = deque()
        self._turn = threading.Lock()
        self._has_failed = False
        self._postponed = PostponedObjects()
        self._is_closed = False
        self._retry: asyncio.TimerHandle | None = None

    async def commit(self, submission: Submission) -> Acceptance:
        """Return what became of a submission, once that is durable.

        Raises:
            TransientError: nothing was written, because the journal is locked or full.
        """
        answer: Answer = self._loop.create_future()
        self._waiting.append((submission, answer))
        self._pool.submit(self._take_turn)
        return await answer

    async def write_and_commit(self, write: Callable[[], Submission]) -> Acceptance:
        """Return what became of a submission that ``write`` makes in a thread.

        Raises:
            TransientError: nothing was written, because the journal is locked or full.
            Exception: what ``write`` raises.
        """
        answer: Answer = self._loop.create_future()
        self._pool.submit(self._write_and_commit, write, answer)
        return await answer

    def close(self) -> None:
        """Try no more to commit what is postponed; the threads commit what waits."""
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()

    def _write_and_commit(self, write: Callable[[], Submission], answer: Answer) -> None:
        try:
            submission = write()
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            self._loop.call_soon_threadsafe(_resolve, [(answer, error)])
            return
        self._waiting.append((submission, answer))
        self._take_turn()

    def _take_turn(self) -> None:
        """Commit what waits and what is postponed, unless another thread does.

        A thread whose turn ends looks once more at what waits: who added that may have found the
        lock taken.
        """
        while not self._has_failed and self._turn.acquire(blocking=False):
            try:
                self._commit_groups()
            finally:
                self._turn.release()
            if not self._waiting:
                return

    def _commit_groups(self) -> None:
        try:
            self._commit_postponed()
            while group := self._next_group():
                self._commit_group(group)
                self._commit_postponed()
        except (OSError, JournalFailedError) as error:
            _log.critical("flush or commit failed, the process ends", error=str(error))
            self._has_failed = True
            self._end_process(error)
        if self._postponed:
            self._loop.call_soon_threadsafe(self._retry_later)

    def _commit_group(self, group: list[Entry]) -> None:
        """Flush the bytes of a group, commit its rows and answer.

        Raises:
            OSError, JournalFailedError: whether anything is durable is not known.
        """
        submissions = [submission for submission, _ in group]
        try:
            put_objects(self._objects, submissions)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect, of which the requests are told
            _log.exception("objects of submissions cannot be stored")
            remove_objects(self._objects, submissions)
            self._answer(group, [error] * len(group))
        else:
            self._commit_rows(self._keep_order(group))

    def _next_group(self) -> list[Entry]:
        """Return the oldest of what waits."""
        return [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]

    def _retry_later(self) -> None:
        if self._retry is None and not self._is_closed:
            self._retry = self._loop.call_later(RETRY_SECONDS, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._pool.submit(self._take_turn)

    def _keep_order(self, group: list[Entry]) -> list[Entry]:
        """Postpone what comes after something that is postponed; return the rest."""
        if not self._postponed:
            return group
        later = [entry for entry in group if self._postponed.add(entry[0])]
        error = JournalBusyError("journal: it was locked, and earlier objects are not recorded yet")
        self._answer(later, [error] * len(later))
        return [entry for entry in group if entry not in later]

    def _commit_postponed(self) -> None:
        """Commit what is postponed, as far as the journal is free.

        Raises:
            JournalFailedError: whether anything is durable is not known.
        """
        while group := self._postponed.oldest(GROUP):
            try:
                commit_rows(self._journal, self._objects, group, shard_count=self._shard_count)
            except JournalFailedError:
                raise
            except TransientError:
                expired = self._postponed.take_expired()
                remove_objects(self._objects, expired)
                if expired:
                    _log.error(
                        "objects of encoders lost, the journal is locked", count=len(expired)
                    )
                return
            except Exception:  # noqa: BLE001 - one defect must not end the thread
                _log.exception("postponed objects cannot be committed")
                remove_objects(self._objects, group)
            self._postponed.drop(len(group))

    def _commit_rows(self, group: list[Entry]) -> None:
        """Commit the rows of a group and answer; those that fail together are tried one by one.

        Raises:
            JournalFailedError: whether anything is durable is not known.
        """
        if not group:
            return
        submissions = [submission for submission, _ in group]
        try:
            results = commit_rows(
                self._journal, self._objects, submissions, shard_count=self._shard_count
            )
        except JournalFailedError:
            raise
        except TransientError as error:
            is_busy = isinstance(error, JournalBusyError)
            kept = [one for one in submissions if is_busy and self._postponed.add(one)]
            remove_objects(self._objects, [one for one in submissions if one not in kept])
            self._answer(group, [error] * len(group))
        except Exception as error:  # noqa: BLE001 - one defect must not end the thread
            if len(group) > 1:
                for entry in group:
                    self._commit_rows([entry])
                return
            _log.exception("a submission cannot be committed")
            remove_objects(self._objects, submissions)
            self._answer(group, [error])
        else:
            self._answer(group, results)

    def _answer(self, group: list[Entry], results: Sequence[Acceptance | Exception]) -> None:
        """Hand over the results; the event loop is woken once."""
        answers = [(answer, result) for (_, answer), result in zip(group, results, strict=True)]
        self._loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[Answer, Acceptance | Exception]]) -> None:
    for answer, result in answers:
        if answer.done():  # its request was cancelled
            continue
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)


def _end_process(_: BaseException) -> NoReturn:
    os._exit(EXIT_STATUS)
