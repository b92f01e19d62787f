"""Group commit: one thread makes what several requests delivered durable at once.

    request  -- submit -->  queue  -- up to 16 -->  flush of bytes, transaction  -->  all answers
                                                         |         ^
                                 the journal is locked,  v         | once it is free
                                 of an encoder:        postponed --+

A group is what has arrived while the group before it was committed, so that nothing waits for
others at rest. An error of the disk after which durability is not known ends the process: a second
flush would report success without having written anything.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Sequence
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

Entry = tuple[Submission, "asyncio.Future[Acceptance]"]


class GroupCommitter:
    """Commits submissions of one event loop in groups, in a thread; ``close`` ends it."""

    def __init__(
        self,
        journal: Journal,
        objects: ObjectStore,
        *,
        end_process: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._journal = journal
        self._objects = objects
        self._end_process = end_process or _end_process
        self._loop = asyncio.get_running_loop()
        self._shard_count = journal.shard_count
        self._waiting: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._postponed = PostponedObjects()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    async def commit(self, submission: Submission) -> Acceptance:
        """Return what became of a submission, once that is durable.

        Raises:
            TransientError: nothing was written, because the journal is locked or full.
        """
        answer: asyncio.Future[Acceptance] = self._loop.create_future()
        self._waiting.put((submission, answer))
        return await answer

    def close(self) -> None:
        """Commit what waits, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            if not (self._commit_postponed() and self._commit(group)):
                return

    def _next_group(self) -> list[Entry] | None:
        """Wait for a submission; return it with those that wait too, nothing where some are
        postponed, or None at the end."""
        try:
            entry = self._waiting.get(timeout=RETRY_SECONDS if self._postponed else None)
        except queue.Empty:
            return []
        if entry is None:
            return None
        group = [entry]
        while len(group) < GROUP and not self._waiting.empty():
            entry = self._waiting.get()
            if entry is None:
                self._waiting.put(None)
                break
            group.append(entry)
        return group

    def _commit(self, group: list[Entry]) -> bool:
        """Commit a group and answer; return False if the process has to end."""
        if not group:
            return True
        try:
            put_objects(self._objects, [submission for submission, _ in group])
            self._commit_rows(self._keep_order(group))
        except (OSError, JournalFailedError) as error:
            _log.critical("flush or commit failed, the process ends", error=str(error))
            self._end_process(error)
            return False
        return True

    def _keep_order(self, group: list[Entry]) -> list[Entry]:
        """Postpone what comes after something that is postponed; return the rest."""
        if not self._postponed:
            return group
        later = [entry for entry in group if self._postponed.add(entry[0])]
        error = JournalBusyError("journal: it was locked, and earlier objects are not recorded yet")
        self._answer(later, [error] * len(later))
        return [entry for entry in group if entry not in later]

    def _commit_postponed(self) -> bool:
        """Commit what is postponed, as far as the journal is free; return False if the process has
        to end."""
        while group := self._postponed.oldest(GROUP):
            try:
                commit_rows(self._journal, self._objects, group, shard_count=self._shard_count)
            except JournalFailedError as error:
                _log.critical("commit failed, the process ends", error=str(error))
                self._end_process(error)
                return False
            except TransientError:
                expired = self._postponed.take_expired()
                remove_objects(self._objects, expired)
                if expired:
                    _log.error(
                        "objects of encoders lost, the journal is locked", count=len(expired)
                    )
                return True
            except Exception:  # noqa: BLE001 - one defect must not end the thread
                _log.exception("postponed objects cannot be committed")
                remove_objects(self._objects, group)
            self._postponed.drop(len(group))
        return True

    def _commit_rows(self, group: list[Entry]) -> None:
        """Commit the rows of a group and answer; those that fail together are tried one by one.

        Raises:
            JournalFailedError: whether anything is durable is not known.
        """
        submissions = [submission for submission, _ in group]
        if not group:
            return
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


def _resolve(answers: Sequence[tuple[asyncio.Future[Acceptance], Acceptance | Exception]]) -> None:
    for answer, result in answers:
        if answer.done():  # its request was cancelled
            continue
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)


def _end_process(_: BaseException) -> NoReturn:
    os._exit(EXIT_STATUS)
