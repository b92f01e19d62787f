"""Pushes what a source gives to the publishing point of its channel, as an encoder would.

A process that follows a source may end at any moment. One that starts again reads what the source
has, and pushes what is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from scanner.errors import TransientError
from scanner.ingest.inputs import ListedSegment, Listing
from scanner.sandbox.opening import read_file
from scanner.sources.limits import FetchLimits
from scanner.sources.pushed_media import PushedFacts, examine
from scanner.spooled import SpooledBytes
from scanner.store.database import Journal
from scanner.store.objects import IncomingObject, ObjectStore, segment_name
from scanner.store.pushed import PushedObject, PushedQueries
from scanner.store.submissions import Submission, commit_rows, put_objects, remove_objects
from scanner.types import Source

__all__ = ["SourcePusher", "read_source"]

RENDITION = "follow"


def read_source(source: Source, *, most: int) -> bytes:
    """Return the bytes of a segment.

    Raises:
        InputError: the file is not there, or is none.
        LimitError: it is longer than ``most``.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, SpooledBytes):
        return source.read()
    return read_file(source, name=str(source), most=most)


class SourcePusher:
    """The publishing point of one channel."""

    def __init__(
        self,
        journal: Journal,
        objects: ObjectStore,
        *,
        channel: str,
        limits: FetchLimits,
        on_first: Callable[[], object] = lambda: None,
    ) -> None:
        """``on_first`` is called once, as soon as the source gave something."""
        self._on_first: Callable[[], object] | None = on_first
        self._journal = journal
        self._objects = objects
        self._channel = channel
        self._limits = limits
        self._queries = PushedQueries(journal)
        self._shard_count = journal.shard_count

    def push(self, path: str, data: bytes) -> bool:
        """Push an object; return False for one that is known with these bytes: it is not pushed."""
        if self._on_first is not None:
            self._on_first()
            self._on_first = None
        with self._objects.receive() as incoming:
            incoming.write(data)
            if self._queries.latest_digest(self._channel, path) == incoming.sha256:
                return False
            found = examine(incoming, path=path, prefix="/", limits=self._limits)
            if found is not None:
                self._submit(path, found, incoming)
            return True

    def list_segment(
        self,
        number: int,
        path: str,
        *,
        duration: Fraction | None,
        discontinuity: bool = False,
        gap: bool = False,
        init: str | None = None,
    ) -> None:
        """Name a segment, which may be absent, with its number in the source."""
        entry = ListedSegment(
            path=path, duration=duration, discontinuity=discontinuity, gap=gap, init=init
        )
        self._list(Listing(rendition=RENDITION, first=number, entries=(entry,), target=duration))

    def end(self) -> None:
        """Declare the end of the source."""
        self._list(Listing(rendition=RENDITION, ended=True))

    def _list(self, listing: Listing) -> None:
        facts = {"offered": [], "listings": [listing.to_json()]}
        self._submit("follow", PushedFacts(kind="playlist", facts=facts, keeps=False), None)

    def _submit(self, path: str, found: PushedFacts, incoming: IncomingObject | None) -> None:
        keeps = incoming is not None and found.keeps
        name = None
        if incoming is not None and keeps:
            kind = "inits" if found.kind == "init" else "segments"
            name = segment_name(kind, self._channel, incoming.path.name, incoming.sha256)
        row = PushedObject(
            channel=self._channel,
            kind=found.kind,
            path=path,
            key_id=None,
            object=name,
            bytes=0 if incoming is None else incoming.size,
            sha256="" if incoming is None else incoming.sha256,
            after=self._queries.latest_number(self._channel),
            facts=found.facts,
        )
        group = [Submission(row=row, incoming=incoming if keeps else None)]
        put_objects(self._objects, group)
        try:
            commit_rows(self._journal, self._objects, group, shard_count=self._shard_count)
        except TransientError:
            remove_objects(self._objects, group)
            raise
