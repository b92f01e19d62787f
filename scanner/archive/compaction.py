"""Scores leave the journal for files by hour, exactly once, and those by age or on request.

    compact   a complete hour: file written and flushed, then its row, with which its turns count as
              compacted; a file without a row is removed at the next start and written again
    remove    streams that are deleted on request: the file is replaced by one without them
    expire    old hours: streams on hold stay, everything else goes

All steps may be repeated, so a process that is killed between two of them neither loses nor doubles
a turn. An hour is that of the commit, UTC; turns that come after it was compacted get another file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from scanner.archive.files import UNFINISHED, PartFacts, PartWriter, copy_without
from scanner.archive.rows import UNREADABLE, rows_of_turn
from scanner.errors import SetupError, TransientError
from scanner.risk.policy import Policies
from scanner.settings.policies import policies_of_rows
from scanner.steady_clock import ClockWatch
from scanner.store.score_parts import PartStream, ScorePart, ScoreParts, WaitingStream

__all__ = ["ScoreArchive", "hour_folder"]

HOUR: Final = 3600
DAY: Final = 86_400.0
SETTLED: Final = 120.0
"""Seconds after the end of an hour after which it is complete: a commit that began in it may have
waited for the journal."""
MOST_TURNS: Final = 100_000
"""Turns of a part, but for those of its last stream within one hour."""
MOST_STREAMS: Final = 1000
"""Streams of a part: their rows change in one transaction."""
POLICIES_KEPT: Final = 1000
"""Generations and channels of which the policies are in memory."""

_log = structlog.get_logger(__name__)


def hour_folder(hour: int) -> str:
    """Return the folder of an hour, given by its first second since the epoch.

    >>> hour_folder(1_764_370_800)
    'date=2025-11-28/hour=23'
    """
    return datetime.fromtimestamp(hour, UTC).strftime("date=%Y-%m-%d/hour=%H")


class ScoreArchive:
    """Keeps the files of one data folder; belongs to the one thread of a service that does so."""

    def __init__(
        self,
        parts: ScoreParts,
        folder: Path,
        *,
        score_days: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._folder = folder
        self._days = score_days
        self._monotonic = monotonic
        self._clock = ClockWatch(offset=parts.now() - monotonic())
        self._policies: dict[tuple[int, str | None], Policies] = {}
        self._is_swept = False
        self._errors: list[str] = []

    def step(self) -> bool:
        """Write, replace or delete a file of each kind of work; return False once there is nothing
        to do at present.

        Raises:
            TransientError: the disk is full or fails, or a file is damaged. It is tried again at
                the next step, and stops no other kind of work.
        """
        now = self._parts.now()
        self._clock = self._clock.observe(now, self._monotonic())
        works: Sequence[Callable[[], bool]] = (
            self._sweep,
            self._unlink,
            self._remove,
            partial(self._compact, now),
            partial(self._expire, now),
        )
        self._errors = []
        more = [self._try(work) for work in works]
        if self._errors:
            raise TransientError("; ".join(self._errors))
        return any(more)

    def _try(self, work: Callable[[], bool]) -> bool:
        try:
            return work()
        except OSError as error:
            self._errors.append(f"scores cannot be written: {error}")
            return False

    # Compaction

    def _compact(self, now: float) -> bool:
        waiting = self._parts.waiting()
        for stream in waiting:
            if stream.since is None or not self._days:
                self._parts.skip_turns(stream)
        complete = now - SETTLED
        hours = {
            one.stream_id: _hour_of(one.since)
            for one in waiting
            if self._days and one.since is not None and _hour_of(one.since) + HOUR <= complete
        }
        if not hours:
            return False
        hour = min(hours.values())
        streams = [one for one in waiting if hours.get(one.stream_id) == hour]
        return self._write_part(hour, streams[:MOST_STREAMS])

    def _write_part(self, hour: int, streams: Sequence[WaitingStream]) -> bool:
        number = self._parts.next_part()
        file = f"{hour_folder(hour)}/part-{number:06d}.parquet"
        path = self._folder / file
        written: list[PartStream] = []
        with PartWriter(path) as writer:
            for stream in streams:
                written.append(self._write_stream(writer, stream, hour))
                if sum(one.turns for one in written) >= MOST_TURNS:
                    break
        part = _part(number, hour, file, writer.facts)
        if not self._parts.add(part, written):
            path.unlink()
            _log.info("scores are compacted again: a stream was removed meanwhile", file=file)
            return True
        _log.info("scores compacted", file=file, turns=part.turns, bytes=part.bytes)
        return True

    def _write_stream(self, writer: PartWriter, stream: WaitingStream, hour: int) -> PartStream:
        """Write the turns that follow one another and were committed in an hour."""
        count, after = 0, stream.compacted
        policies_of = partial(self._policies_of, channel=stream.channel)
        for turn in self._parts.turns(stream.stream_id, first=stream.compacted):
            if _hour_of(turn.created_at) != hour:
                break
            rows = [*rows_of_turn(stream.stream_id, stream.channel, turn, policies_of)]
            if rows[0].turn_event == UNREADABLE:
                _log.warning("record cannot be read", stream=stream.stream_id, turn=turn.turn)
            writer.add(rows)
            count, after = count + 1, turn.turn + 1
        return PartStream(
            stream_id=stream.stream_id,
            shard=stream.shard,
            compacted=stream.compacted,
            turns=count,
            after_turn=after,
        )

    def _policies_of(self, generation: int, *, channel: str | None) -> Policies:
        """Return the policies of a generation on a channel; none if they are not recorded, or are
        of a method that this release does not know."""
        if (generation, channel) not in self._policies:
            if len(self._policies) >= POLICIES_KEPT:
                self._policies.clear()
            found = Policies(labels={})
            with suppress(KeyError, TypeError, ValueError):
                found = policies_of_rows(self._parts.policy_rows(generation, channel))
            self._policies[generation, channel] = found
        return self._policies[generation, channel]

    # Deletion

    def _remove(self) -> bool:
        return any(self._drop_streams(*one) for one in self._parts.leaving())

    def _expire(self, now: float) -> bool:
        """Delete what is old, unless the wall clock cannot be trusted to tell ages."""
        if not self._days or not self._clock.is_steady:
            return False
        old = self._parts.old(before=now - self._days * DAY)
        return any(self._drop_streams(*one) for one in old)

    def _drop_streams(self, part: ScorePart, names: set[str]) -> bool:
        """Take streams out of a file; return False if it cannot be read. One that somebody deleted
        has none."""
        path, facts = self._folder / part.file, PartFacts(turns=0, scores=0, bytes=0)
        try:
            if path.exists():
                facts = copy_without(path, path, names)
        except (OSError, SetupError) as error:
            self._errors.append(f"scores cannot be deleted from {part.file}: {error}")
            return False
        kept = replace(part, turns=facts.turns, scores=facts.scores, bytes=facts.bytes)
        self._parts.replace(kept, names)
        _log.info("scores deleted", file=part.file, streams=len(names), turns_left=facts.turns)
        return True

    def _unlink(self) -> bool:
        deleting = self._parts.deleting()
        for part in deleting:
            self._delete_file(self._folder / part.file)
            self._parts.forget(part)
        return bool(deleting)

    def _delete_file(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # other hours or parts are there
            path.parent.rmdir()
            path.parent.parent.rmdir()

    def _sweep(self) -> bool:
        """Remove files that no row names, once: those of a process that was killed."""
        if self._is_swept:
            return False
        known = self._parts.files()
        for path in list(_files(self._folder)):
            if path.relative_to(self._folder).as_posix() not in known:
                self._delete_file(path)
                _log.info("file of scores without a row removed", file=path.name)
        self._is_swept = True
        return False


def _files(folder: Path) -> Iterator[Path]:
    yield from folder.glob("date=*/hour=*/*.parquet")
    yield from folder.glob(f"date=*/hour=*/*.parquet{UNFINISHED}")


def _hour_of(at: float) -> int:
    return int(at // HOUR) * HOUR


def _part(number: int, hour: int, file: str, facts: PartFacts) -> ScorePart:
    return ScorePart(
        part=number,
        hour=hour,
        file=file,
        turns=facts.turns,
        scores=facts.scores,
        bytes=facts.bytes,
    )
