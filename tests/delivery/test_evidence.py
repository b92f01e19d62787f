"""Pieces of evidence are made once, whatever ends the process and whatever media do."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import select

from scanner.delivery import evidence as module
from scanner.delivery.evidence import EvidenceMaker, StreamClaims, plan_incidents
from scanner.errors import DamagedError, DecoderDiedError
from scanner.media.mux import ClipInfo
from scanner.risk.incident import Closed, Opened
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.store.database import Journal
from scanner.store.evidence import EvidenceJournal
from scanner.store.objects import ObjectStore
from scanner.store.schema import evidence, published
from scanner.types import Span
from tests.delivery.build import FakeDriver
from tests.delivery.rows import add_segments, add_turn, incident, segment_event
from tests.evidence.build import POLICIES
from tests.store.conftest import FakeClock

INFO = ClipInfo(
    span=Span(start=Fraction(0), end=Fraction(8)),
    method="copied",
    reason=None,
    video="h264",
    audio=None,
    width=64,
    height=36,
    truncated=False,
)


class FakeSandbox:
    """Writes the same few bytes for every clip and decodes no picture, unless ``failure`` raises
    for a stream."""

    def __init__(self) -> None:
        self.cut: list[str] = []
        self.failure: Callable[[str], Exception | None] = lambda _: None
        self.seconds: Callable[[str], float] = lambda _: 1.0
        self.time = 0.0
        self.closed = 0

    def stopwatch(self) -> float:
        return self.time

    def call(self, *_: Any, output: BinaryIO, name: str, **__: Any) -> dict[str, Any]:
        self.cut.append(name)
        self.time += self.seconds(name)
        failure = self.failure(name)
        if failure is not None:
            raise failure
        output.write(b"clip of " + name.encode())
        return INFO.to_json()

    def stream(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox()


@pytest.fixture
def rows(journal: Journal) -> EvidenceJournal:
    return EvidenceJournal(journal)


@pytest.fixture
def maker(
    rows: EvidenceJournal, objects: ObjectStore, sandbox: FakeSandbox, wall_clock: FakeClock
) -> EvidenceMaker:
    return EvidenceMaker(
        rows,
        objects,
        sandbox,
        POLICIES,
        EvidenceSettings(),
        StreamClaims(),
        wall_clock=wall_clock,
        stopwatch=sandbox.stopwatch,
    )


def make_due(journal: Journal, *stream_ids: str, clips: int = 1) -> None:
    """Let one incident of each stream need some clips and a sheet."""
    settings = EvidenceSettings(clip_seconds=Fraction(8))
    for stream_id in stream_ids:
        count = 2 * clips + 1
        add_segments(journal, stream_id, count)
        noun = incident(f"of-{stream_id}", stream_id=stream_id)
        over = incident(f"of-{stream_id}", stream_id=stream_id, revision=2, end=8 * clips - 5)
        for turn in range(count):
            events = [segment_event(stream_id, turn)]
            events += [Opened(at=Fraction(2), incident=noun)] if turn == 0 else []
            events += [Closed(at=Fraction(2), incident=over)] if turn == count - 1 else []
            add_turn(journal, stream_id, turn, *events)
    while plan_incidents(EvidenceJournal(journal), POLICIES, settings):
        pass


def make_all(maker: EvidenceMaker, clock: FakeClock, *, tries: int = 1) -> None:
    for _ in range(tries):
        while maker.make_next():
            pass
        clock.time += 3600


def pieces(journal: Journal) -> dict[str, tuple[str, str | None]]:
    with journal.read() as connection:
        found = connection.execute(select(evidence).order_by(evidence.c.piece))
        return {row.piece: (row.status, row.reason) for row in found}


def test_a_clip_is_durable_before_its_row_says_so(
    maker: EvidenceMaker,
    journal: Journal,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_due(journal, "s")
    seen: list[str] = []
    put_many = ObjectStore.put_many

    def note(self: ObjectStore, items: Any) -> None:
        seen.append(pieces(journal)["clip-1"][0])
        put_many(self, items)

    monkeypatch.setattr(ObjectStore, "put_many", note)
    assert maker.make_next()
    assert seen == ["due"]
    with journal.read() as connection:
        row = connection.execute(select(evidence).where(evidence.c.piece == "clip-1")).one()
    assert row.status == "cut"
    assert objects.path(row.object).read_bytes() == b"clip of s"


@pytest.mark.parametrize("dies_in", ["_cut", "_put", "put_many", "finish"])
def test_a_process_that_ends_anywhere_makes_the_same_file_when_it_starts_again(
    maker: EvidenceMaker,
    journal: Journal,
    objects: ObjectStore,
    wall_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    dies_in: str,
) -> None:
    make_due(journal, "s")
    owners = {"put_many": ObjectStore, "finish": EvidenceJournal}
    owner = owners.get(dies_in, EvidenceMaker)
    original = getattr(owner, dies_in)

    def die(self: Any, *arguments: Any, **named: Any) -> Any:
        if dies_in != "finish":
            original(self, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, dies_in, die)
        with pytest.raises(KeyboardInterrupt):
            maker.make_next()
    assert pieces(journal)["clip-1"][0] == "due"
    assert not maker.make_next() or pieces(journal)["clip-1"][0] == "due"
    wall_clock.time += 3600
    make_all(maker, wall_clock)
    assert pieces(journal)["clip-1"][0] == "cut"
    clips = list(objects.path("clips").rglob("*.mp4"))
    assert len(clips) == 1
    assert list(objects.path("incoming").iterdir()) == []


def test_media_that_cannot_be_read_fail_at_once_with_the_reason(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    sandbox.failure = lambda _: DamagedError("s: not decodable")
    make_all(maker, wall_clock, tries=3)
    assert pieces(journal)["clip-1"] == ("failed", "s: not decodable")
    assert len(sandbox.cut) == 1


def test_a_decoder_that_dies_is_tried_a_few_times_and_then_the_piece_fails(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    sandbox.failure = lambda _: DecoderDiedError("s: the decoder died")
    make_all(maker, wall_clock, tries=10)
    assert pieces(journal)["clip-1"] == ("failed", "s: the decoder died")
    assert len(sandbox.cut) == 6


def test_a_piece_that_ends_the_process_again_and_again_fails_too(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")

    def end(_: str) -> None:
        raise KeyboardInterrupt

    sandbox.failure = end
    for _ in range(20):
        wall_clock.time += 3600
        try:
            maker.make_next()
        except KeyboardInterrupt:
            continue
    assert pieces(journal)["clip-1"][0] == "failed"
    assert len(sandbox.cut) < 10


def test_a_full_disk_leaves_the_piece_due(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    sandbox.failure = lambda _: OSError(errno.ENOSPC, "no space")
    make_all(maker, wall_clock, tries=20)
    assert pieces(journal)["clip-1"][0] == "due"
    sandbox.failure = lambda _: None
    make_all(maker, wall_clock)
    assert pieces(journal)["clip-1"][0] == "cut"


def test_without_room_on_the_disk_nothing_is_cut_and_pieces_stay_due(
    rows: EvidenceJournal, journal: Journal, objects: ObjectStore, sandbox: FakeSandbox
) -> None:
    make_due(journal, "s")
    maker = EvidenceMaker(
        rows,
        objects,
        sandbox,
        POLICIES,
        EvidenceSettings(),
        StreamClaims(),
        has_room=lambda: False,
    )
    assert not maker.make_next()
    assert pieces(journal)["clip-1"] == ("due", None)


def test_files_that_cannot_be_flushed_end_the_process(
    maker: EvidenceMaker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "input/output error")

    make_due(journal, "s")
    monkeypatch.setattr(ObjectStore, "_flush", fail)
    with pytest.raises(OSError, match="input/output"):
        maker.make_next()
    assert pieces(journal)["clip-1"][0] == "due"


def test_pieces_that_are_made_or_failed_are_published(
    maker: EvidenceMaker, journal: Journal, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    make_all(maker, wall_clock)
    with journal.read() as connection:
        bodies = connection.execute(select(published.c.body).order_by(published.c.number))
        made = [json.loads(body)["evidence"] for body in bodies.scalars()]
    assert made == [{"clip-1": "cut"}, {"sheet": "failed"}]


def test_a_stream_whose_media_are_slow_does_not_keep_others_waiting(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "slow", clips=9)
    make_due(journal, "a", "b", clips=2)
    sandbox.seconds = lambda name: 100.0 if name == "slow" else 1.0
    make_all(maker, wall_clock)
    assert sandbox.cut.index("slow", 1) > max(
        number for number, name in enumerate(sandbox.cut) if name != "slow"
    )


def test_an_incident_that_uses_up_its_time_gets_no_more(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "slow", clips=9)
    sandbox.seconds = lambda _: module.BUDGET_SECONDS / 2
    make_all(maker, wall_clock)
    found = pieces(journal)
    assert len(sandbox.cut) == 3
    assert "limit is 1800 s" in found["clip-9"][1]


def test_two_threads_never_work_on_one_stream(journal: Journal, rows: EvidenceJournal) -> None:
    make_due(journal, "a", "b", clips=2)
    claims = StreamClaims()
    with claims.next_piece(rows) as first, claims.next_piece(rows) as second:
        assert {first.stream_id, second.stream_id} == {"a", "b"}
        with claims.next_piece(rows) as third:
            assert third is None
    with claims.next_piece(rows) as again:
        assert again is not None


def test_a_sandbox_without_work_for_a_minute_gives_its_memory_back(
    maker: EvidenceMaker, journal: Journal, sandbox: FakeSandbox, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    make_all(maker, wall_clock)
    assert sandbox.closed == 0
    sandbox.time += 61
    for _ in range(3):
        assert not maker.make_next()
    assert sandbox.closed == 1


def test_a_segment_that_was_deleted_is_no_source(
    maker: EvidenceMaker, journal: Journal, wall_clock: FakeClock
) -> None:
    make_due(journal, "s")
    with journal.write() as connection:
        connection.exec_driver_sql("UPDATE segments SET stage = 'deleted'")
    make_all(maker, wall_clock)
    assert pieces(journal)["clip-1"] == ("failed", "s: no picture within the span of the clip")


def test_sources_are_found_among_very_many_segments(
    journal: Journal, rows: EvidenceJournal
) -> None:
    add_segments(journal, "s", 600)
    for turn in range(100, 110):
        add_turn(journal, "s", turn, segment_event("s", turn))
    found = rows.sources("s", 405.0, 415.0)
    assert [one.scored.segment.key.sequence for one in found] == [101, 102, 103]


def test_evidence_of_drawn_media_is_the_same_as_that_of_a_second_making(
    driver: FakeDriver,
    journal: Journal,
    objects: ObjectStore,
    rows: EvidenceJournal,
    policies: Policies,
    card_segments: list[Path],
) -> None:
    driver.run("s", card_segments)
    settings = Settings()
    plan_incidents(rows, policies, settings.evidence)
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(settings.sandbox))
        real = EvidenceMaker(rows, objects, sandbox, policies, settings.evidence, StreamClaims())
        while real.make_next():
            pass
        first = named_objects(journal)
        with journal.write() as connection:
            connection.exec_driver_sql("DELETE FROM evidence WHERE due = '{}'")
            connection.exec_driver_sql("UPDATE evidence SET status = 'due', next_at = 0")
        while real.make_next():
            pass
    assert named_objects(journal) == first
    assert sorted(first) == ["clip-1", "poster-1", "sheet", "sheet-blurred"]


def named_objects(journal: Journal) -> dict[str, str]:
    with journal.read() as connection:
        return {row.piece: row.object for row in connection.execute(select(evidence))}
