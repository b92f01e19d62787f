"""The parts that all requests of one web process share."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from starlette.requests import Request

from scanner.intake.access import Caller, caller_of
from scanner.intake.admission import Flight, InFlight, check_backlog, check_disk
from scanner.intake.auditing import AuditWriter, audit_log_of
from scanner.intake.committer import GroupCommitter
from scanner.intake.fetching import Fetcher
from scanner.intake.limits import IntakeLimits
from scanner.intake.metrics import RequestMetrics
from scanner.intake.problems import Problem
from scanner.intake.receiving import Receiver
from scanner.intake.sessions import (
    CSRF_HEADER,
    FACTOR_FIRST,
    SAFE_METHODS,
    check_csrf_token,
    needs_second_factor,
    session_of,
)
from scanner.intake.uploads import OpenUploads
from scanner.intake.waiting import FinishedStreams, LatestEvent, QueueVersions
from scanner.intake.watch import Watch
from scanner.settings.console import session_limits
from scanner.settings.service import ServiceSettings
from scanner.sources.limits import FetchLimits
from scanner.store.audit import AuditEntry
from scanner.store.database import Journal, JournalFullError
from scanner.store.incident_queries import IncidentQueries
from scanner.store.intake import Acceptance, NewImage, NewInit, NewSegment
from scanner.store.objects import IncomingObject, ObjectStore
from scanner.store.operation_queries import OperationQueries
from scanner.store.people import Person
from scanner.store.pushed import PushedQueries, report_uploads
from scanner.store.queries import Queries
from scanner.store.review_queries import ReviewQueries, Sight
from scanner.store.review_versions import queue_version
from scanner.store.reviews import ReviewJournal
from scanner.store.sessions import Sessions
from scanner.store.submissions import Submission
from scanner.store.users import Users

__all__ = ["WebContext", "context_of", "note"]

T = TypeVar("T")
WRITERS: Final = 4
"""Threads that write and hash bodies, one of which at a time commits."""
_NO_DETAILS: Final[Mapping[str, Any]] = {}


class WebContext:
    """The open parts of one web process; made within its event loop, and closed at its end."""

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        limits: IntakeLimits,
        fetch_limits: FetchLimits,
        journal: Journal,
        objects: ObjectStore,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.journal = journal
        self.objects = objects
        self.queries = Queries(journal)
        self.incidents = IncidentQueries(journal)
        self.operation = OperationQueries(journal)
        self.pushed = PushedQueries(journal)
        self.uploads = OpenUploads(self._report_uploads, lambda: self.watch.now.is_pushed)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="writer")
        self.receiver = Receiver(objects, self._writers)
        self.requests = RequestMetrics()
        self.fetcher = Fetcher(
            objects,
            limits=fetch_limits,
            addresses=settings.fetch_addresses,
            threads=settings.quota.fetches,
        )
        self.in_flight = InFlight(settings.quota)
        self.watch = Watch(journal, objects, is_open=not settings.behind_proxy)
        self.finished = FinishedStreams(lambda names: self.read(self.queries.finished, names))
        self.latest_event = LatestEvent(self._latest_event)
        self.closing = False
        """Whether the server drains: requests that wait for news end."""
        self.preparation: asyncio.Task[None] | None = None
        """What is done once before the service is ready; None for nothing."""
        self.committer = GroupCommitter(journal, objects, self._writers)
        self._open_people()
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="hasher")

    def _open_people(self) -> None:
        """Open what is known of people: what they decide, accounts, sessions, the audit log."""
        self.reviews = ReviewJournal(self.journal, sinks=tuple(self.settings.sinks))
        self.review_queries = ReviewQueries(self.journal)
        self.followers: Counter[str] = Counter()
        """Pages that follow changes, by person."""
        self.skipped: dict[str, dict[str, float]] = {}
        """Until when on the monotonic clock items are not opened next, by person and item."""
        self.queue_versions: QueueVersions[Sight] = QueueVersions(
            lambda sight: self.read(queue_version, self.journal, sight)
        )
        self.users = Users(self.journal)
        self.session_limits = session_limits(self.settings.console)
        self.sessions = Sessions(self.journal, self.session_limits)
        self.audit_log = audit_log_of(self.journal, self.settings)
        self.audit_writer = AuditWriter(self.audit_log)

    def caller(self, request: Request, verb: str) -> Caller:
        """Return the sender of a request, who may do ``verb``.

        Raises:
            Problem: ``unauthenticated`` or ``forbidden``.
        """
        session = session_of(request)
        if session is None:
            client = request.scope.get("client")
            caller = self.watch.now.access.identify(request.headers, client)
        else:
            caller = caller_of(session.person)
            checked = getattr(request.state, "csrf_checked", False)
            if request.method not in SAFE_METHODS and not checked:
                check_csrf_token(request, request.headers.get(CSRF_HEADER))
            if needs_second_factor(self.settings, session.user):
                raise Problem("forbidden", FACTOR_FIRST)
        caller.check_verb(verb)
        if caller.key_id is not None:
            note(request, key=caller.key_id)
        return caller

    def admit(self, request: Request, caller: Caller) -> Flight:
        """Count a request that brings media in, if the service takes in more.

        Raises:
            Problem: ``disk_full``, ``backlog`` or ``busy``.
        """
        observed, quota = self.watch.now, self.settings.quota
        check_disk(observed, self.settings.retention.refuse_watermark)
        check_backlog(observed, caller.key_id, quota)
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else 0
        return self.in_flight.begin(caller.key_id, min(size, self.limits.segment_bytes))

    async def submit(self, submission: Submission) -> Acceptance:
        """Return what became of a submission, once that is durable.

        Raises:
            TransientError: the journal is locked; nothing was written.
            Problem: ``disk_full``; nothing was written.
        """
        with _telling_full_disk():
            return await self.committer.commit(submission)

    async def store(
        self,
        write: Callable[[], IncomingObject],
        row: Callable[[IncomingObject], NewSegment | NewInit | NewImage],
    ) -> tuple[IncomingObject, Acceptance]:
        """Write a body and commit its row in one go, in a thread; return the object, and what
        became of it, once that is durable.

        Raises:
            TransientError: the journal is locked; nothing was written.
            Problem: ``disk_full``; nothing was written.
            Exception: what ``write`` or ``row`` raises.
        """
        written: list[IncomingObject] = []

        def submission() -> Submission:
            written.append(write())
            return Submission(row=row(written[0]), incoming=written[0])

        with _telling_full_disk():
            acceptance = await self.committer.write_and_commit(submission)
        return written[0], acceptance

    async def audit(self, person: Person, action: str, subject: str, **details: Any) -> None:
        """Record what a person does; await it before a byte of what it shows is sent.

        Raises:
            TransientError: the journal is locked or full; nothing was written.
        """
        await self.audit_writer.append(
            AuditEntry(actor=person.user_id, action=action, subject=subject, details=details)
        )

    async def change(
        self,
        person: Person,
        action: str,
        subject: str,
        change: Callable[..., T],
        /,
        *arguments: Any,
        details: Callable[[T], Mapping[str, Any] | None] | Mapping[str, Any] = _NO_DETAILS,
        **named: Any,
    ) -> T:
        """Run what a person changes, and record it in the same commit; ``details`` are facts for
        the audit log, or a function that makes them of the result, None for no entry.

        Raises:
            TransientError: the journal is locked or full; nothing was written.
        """

        def entries(result: T) -> list[AuditEntry]:
            facts = details(result) if callable(details) else details
            if facts is None:
                return []
            return [AuditEntry(actor=person.user_id, action=action, subject=subject, details=facts)]

        return await self.read(self.audit_log.record, lambda: change(*arguments, **named), entries)

    async def audit_media(self, person: Person, action: str, subject: str, piece: str) -> None:
        """Record that a person sees a piece of media, once for all requests of a minute.

        Raises:
            TransientError: the journal is locked or full; nothing was written.
        """
        entry = AuditEntry(
            actor=person.user_id, action=action, subject=subject, details={"piece": piece}
        )
        await self.audit_writer.append_view(entry, piece)

    async def read(self, query: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run a query in one of a few threads, each of which has a connection while it reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: query(*arguments, **named))

    async def _report_uploads(self, uploads: dict[str, list[str]]) -> None:
        await self.read(report_uploads, self.journal, f"web-{os.getpid()}", uploads)

    async def compute(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run what costs time and memory, such as a hash of a password: one after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hasher, lambda: function(*arguments, **named))

    async def _latest_event(self) -> int:
        _, latest = await self.read(self.operation.event_range)
        return latest

    def close(self) -> None:
        """Commit what was received, and end all threads."""
        self.uploads.close()
        self.fetcher.close()
        self.committer.close()
        self._writers.shutdown()
        self.audit_writer.close()
        self.watch.close()
        self._readers.shutdown()
        self._hasher.shutdown()


@contextmanager
def _telling_full_disk() -> Iterator[None]:
    """Raise the error of a full journal as the one that a request is answered with."""
    try:
        yield
    except JournalFullError as error:
        raise Problem("disk_full", str(error), retry_after=10) from error


def context_of(request: Request) -> WebContext:
    """Return what the requests of the application share."""
    context: WebContext = request.state.context
    return context


def note(request: Request, **facts: object) -> None:
    """Add facts to the request's line in the log."""
    request.scope["state"].setdefault("facts", {}).update(facts)
