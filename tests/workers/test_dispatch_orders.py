"""The dispatch under random orders of offers, leases, reports and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scanner.errors import QuarantinedError
from scanner.pipeline.worker import LocalRunner, StreamWorker
from scanner.stream.burst_account import BurstAccount
from scanner.stream.inputs import FailedSegment, Job, Outcome, SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import SegmentKey
from tests.workers.pool_fakes import (
    HERE,
    MANY,
    POLICIES,
    all_progress,
    by_stream,
    end,
    fold_quarantined,
    mean_scorers,
    merge_progress,
    scripted,
)
from workers.dispatch import Bounds, Dispatch, Lease

STREAMS = ("a", "b", "c")


class AnyOrder(RuleBasedStateMachine):
    """In every order of offers, leases, reports, deaths and duplicates each stream has the events
    of one process, and the limits hold."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds = Bounds(
            workers=2, lease_size=3, leases_ahead=2, bytes_in_flight=1200, deaths_in_a_row=MANY
        )
        self.quarantined: dict[SegmentKey, QuarantinedError] = {}
        self.dispatch = Dispatch(self.bounds, self._fold_quarantined)
        self.offered: list[Turn] = []
        self.ended: set[str] = set()
        self.active: list[tuple[Lease, list[StreamProgress]]] = []
        self.lost: list[tuple[Lease, list[StreamProgress]]] = []
        self.out: list[StreamProgress] = []

    def _fold_quarantined(
        self, state: StreamState, turn: SegmentTurn, error: QuarantinedError
    ) -> StreamProgress:
        first = turn.job.segment.key
        self.quarantined[replace(first, sequence=first.sequence + state.part)] = error
        return fold_quarantined(state, turn, error)

    @rule(
        stream=st.sampled_from(STREAMS),
        windows=st.integers(1, 3),
        bright=st.booleans(),
        damaged_at=st.none() | st.integers(0, 2),
    )
    def offer(self, stream: str, windows: int, bright: bool, damaged_at: int | None) -> None:
        turn = scripted(
            stream, 3 * len(self.offered), windows=windows, bright=bright, damaged_at=damaged_at
        )
        if stream not in self.ended and self.dispatch.admits(turn):
            self.offered.append(turn)
            self.dispatch.offer(turn)

    @rule(stream=st.sampled_from(STREAMS))
    def offer_end(self, stream: str) -> None:
        if stream not in self.ended and self.dispatch.admits(end(stream)):
            self.ended.add(stream)
            self.offered.append(end(stream))
            self.dispatch.offer(end(stream))

    @rule()
    def take(self) -> None:
        lease = self.dispatch.take("worker", now=0)
        if lease is not None:
            self.active.append((lease, all_progress(lease)))

    @precondition(lambda self: self.active)
    @rule(data=st.data(), count=st.integers(1, 4), times=st.integers(1, 2))
    def report(self, data: st.DataObject, count: int, times: int) -> None:
        lease, progress = data.draw(st.sampled_from(self.active))
        for _ in range(times):
            self.dispatch.receive(lease, merge_progress(progress[:count]))
        del progress[:count]
        if not progress:
            self.active.remove((lease, progress))
            self.lost.append((lease, all_progress(lease)))

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        lease, progress = data.draw(st.sampled_from(self.active))
        self.active.remove((lease, progress))
        self.lost.append((lease, all_progress(lease)))
        self.dispatch.lose(lease, "killed")

    @precondition(lambda self: self.lost)
    @rule(data=st.data())
    def report_again(self, data: st.DataObject) -> None:
        lease, progress = data.draw(st.sampled_from(self.lost))
        self.dispatch.receive(lease, merge_progress(progress))
        self.dispatch.lose(lease, "killed again")

    @rule()
    def take_ready(self) -> None:
        self.out += self.dispatch.take_ready()

    @invariant()
    def stays_within_its_limits(self) -> None:
        closed = {one.stream_id: one.state.turn for one in self.out}
        in_flight = len(self.offered) - sum(closed.values())
        assert in_flight <= self.bounds.turns_in_flight
        assert self.dispatch.is_idle() == (in_flight == 0)

    @invariant()
    def leases_each_stream_once(self) -> None:
        at_work = [
            stream_id
            for _, progress in self.active
            for stream_id in {one.stream_id for one in progress}
        ]
        assert len(at_work) == len(set(at_work))

    def teardown(self) -> None:
        for lease, progress in self.active:
            self.dispatch.receive(lease, progress)
        while (lease_now := self.dispatch.take("worker", now=0)) is not None:
            self.dispatch.receive(lease_now, all_progress(lease_now))
        self.take_ready()
        assert self.dispatch.is_idle()
        assert by_stream(self.out) == by_stream(self._expected())

    def _expected(self) -> Iterator[StreamProgress]:
        """Yield the progress of one process to which the quarantined segments are undecodable."""
        with HERE.open_score_job(mean_scorers) as score:

            def score_or_fail(
                job: Job, first_window: int, account: BurstAccount
            ) -> Iterator[Outcome]:
                first = job.segment.key
                for window, outcome in enumerate(score(job, first_window, account), first_window):
                    key = replace(first, sequence=first.sequence + window)
                    if (error := self.quarantined.get(key)) is not None:
                        yield FailedSegment.from_error(key, error)
                        return
                    yield outcome

            yield from LocalRunner(StreamWorker(score_or_fail, POLICIES)).run(self.offered)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
