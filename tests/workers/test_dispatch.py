from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scanner.errors import QuarantinedError, SetupError
from scanner.runner import Failed, Finished, Job, Outcome, SegmentWorker
from scanner.scoring.options import Reuse
from scanner.types import SegmentKey
from tests.workers.crew_fakes import HERE, REQUEST, ScriptSandbox, killed, mean_scorers, scripted
from workers.decode import DecodeActor
from workers.dispatch import Bounds, Dispatch, News
from workers.leases import Lease, MemoryLeases

MANY = 10**6
BOUNDS = Bounds(workers=1, lease_size=4, deaths_in_a_row=MANY)


def dispatch_of(*jobs: Job, bounds: Bounds = BOUNDS) -> Dispatch:
    dispatch = Dispatch(MemoryLeases(), bounds)
    for job in jobs:
        dispatch.offer(job)
    return dispatch


def take(dispatch: Dispatch) -> Lease:
    lease = dispatch.take("anna", now=0)
    assert lease is not None
    return lease


def said(lease: Lease) -> list[News]:
    """All that a worker says of a lease when nothing goes wrong."""
    return [news for part in DecodeActor(HERE).work(lease.work) for news in part]


def keys(outcomes: Iterator[Outcome]) -> list[tuple[str, int]]:
    return [(type(outcome).__name__, outcome.key.sequence) for outcome in outcomes]


def test_outcomes_go_out_in_the_order_of_the_jobs_whoever_is_first() -> None:
    dispatch = dispatch_of(scripted("s", 0), scripted("s", 1))
    first, second = take(dispatch), take(dispatch)

    dispatch.hear(second, said(second))
    early = keys(dispatch.take_ready())
    dispatch.hear(first, said(first))

    assert early == []
    assert keys(dispatch.take_ready()) == [
        ("ScoredSegment", 0),
        ("Finished", 0),
        ("ScoredSegment", 1),
        ("Finished", 1),
    ]
    assert dispatch.idle()


def test_streams_do_not_wait_for_each_other() -> None:
    dispatch = dispatch_of(scripted("s"), scripted("t"))
    take(dispatch)
    second = take(dispatch)

    dispatch.hear(second, said(second))

    assert [outcome.key.stream_id for outcome in dispatch.take_ready()] == ["t", "t"]


def test_a_retry_goes_on_behind_what_was_delivered() -> None:
    dispatch = dispatch_of(scripted(windows=3))
    lost = take(dispatch)
    dispatch.hear(lost, said(lost)[:2])

    dispatch.lose(lost, "killed")
    retry = take(dispatch)

    assert [work.first_window for work in retry.work] == [2]


def test_what_a_lost_lease_says_has_no_effect() -> None:
    dispatch = dispatch_of(scripted(windows=2))
    lost = take(dispatch)
    dispatch.lose(lost, "silent")
    retry = take(dispatch)

    dispatch.hear(lost, said(lost))
    late = keys(dispatch.take_ready())
    dispatch.hear(retry, said(retry))
    dispatch.hear(retry, said(retry))

    assert late == []
    assert keys(dispatch.take_ready()) == [
        ("ScoredSegment", 0),
        ("ScoredSegment", 1),
        ("Finished", 0),
    ]


def test_a_batch_whose_worker_died_is_tried_one_by_one() -> None:
    dispatch = dispatch_of(*(scripted("s", n) for n in range(8)))
    batch = take(dispatch)
    assert len(batch.work) == 4

    dispatch.lose(batch, "killed")

    assert [len(take(dispatch).work) for _ in range(4)] == [1, 1, 1, 1]
    assert len(take(dispatch).work) > 1


def test_what_kills_two_workers_alone_is_quarantined_and_its_stream_goes_on() -> None:
    dispatch = dispatch_of(scripted("s", 5), scripted("s", 6))

    for _ in range(2):
        dispatch.lose(take(dispatch), "killed by signal 9")
    rest = take(dispatch)
    dispatch.hear(rest, said(rest))
    outcomes = list(dispatch.take_ready())

    assert isinstance(outcomes[0], Failed)
    assert isinstance(outcomes[0].error, QuarantinedError)
    assert str(outcomes[0].error) == "s-5: its worker ended 2 times (killed by signal 9); set aside"
    assert keys(iter(outcomes)) == [
        ("Failed", 5),
        ("Finished", 5),
        ("ScoredSegment", 6),
        ("Finished", 6),
    ]
    assert dispatch.idle()


def test_a_death_in_company_and_one_alone_do_not_quarantine() -> None:
    dispatch = dispatch_of(
        *(scripted("s", n) for n in range(4)), bounds=Bounds(workers=1, lease_size=2)
    )

    dispatch.lose(take(dispatch), "killed")
    dispatch.lose(take(dispatch), "killed")

    assert keys(dispatch.take_ready()) == []


def test_deaths_at_different_windows_do_not_add_up() -> None:
    dispatch = dispatch_of(scripted(windows=3))

    for windows in (1, 1):
        lease = take(dispatch)
        dispatch.hear(lease, [(0, outcome) for _, outcome in said(lease)[:windows]])
        dispatch.lose(lease, "killed")
    lease = take(dispatch)
    dispatch.hear(lease, said(lease))

    assert keys(dispatch.take_ready()) == [
        ("ScoredSegment", 0),
        ("ScoredSegment", 1),
        ("ScoredSegment", 2),
        ("Finished", 0),
    ]


def test_workers_that_only_die_are_the_operators_to_mend() -> None:
    dispatch = dispatch_of(
        *(scripted("s", n) for n in range(4)), bounds=Bounds(workers=1, deaths_in_a_row=3)
    )
    dispatch.lose(take(dispatch), "killed")
    dispatch.lose(take(dispatch), "killed")

    with pytest.raises(
        SetupError,
        match="3 workers ended one after another with nothing done, the last one: killed",
    ):
        dispatch.lose(take(dispatch), "killed")


def test_a_worker_that_says_nothing_loses_its_lease_in_time() -> None:
    dispatch = dispatch_of(scripted(), bounds=Bounds(workers=1, patience=30))
    lease = take(dispatch)

    assert dispatch.overdue(29.9) == ()
    assert dispatch.overdue(30) == (lease,)

    dispatch.renew(lease, until=60)

    assert dispatch.overdue(30) == ()


def test_a_segment_over_the_bound_goes_alone() -> None:
    small, large = scripted("s", 0), scripted("s", 1, windows=100, child_dies=range(100))
    dispatch = dispatch_of(small, bounds=Bounds(workers=1, bytes_in_flight=200))

    assert not dispatch.admits(large)
    with pytest.raises(ValueError, match="s/1: offered beyond"):
        dispatch.offer(large)

    lease = take(dispatch)
    dispatch.hear(lease, said(lease))
    list(dispatch.take_ready())

    assert dispatch.admits(large)


@pytest.mark.parametrize("name", ["workers", "lease_size", "bytes_in_flight", "patience"])
def test_senseless_bounds_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Bounds(**{"workers": 1, name: 0})


class Run(RuleBasedStateMachine):
    """Any order of offers, takes, news, deaths and ghosts: nothing is lost, nothing is counted
    twice, bounds hold."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds = Bounds(
            workers=2,
            shards=2,
            lease_size=3,
            leases_ahead=1,
            bytes_in_flight=400,
            deaths_in_a_row=MANY,
        )
        self.dispatch = Dispatch(MemoryLeases(), self.bounds)
        self.jobs: list[Job] = []
        self.living: list[tuple[Lease, list[News]]] = []
        self.ghosts: list[tuple[Lease, list[News]]] = []
        self.out: list[Outcome] = []

    @rule(stream=st.sampled_from("abc"), windows=st.integers(1, 3))
    def offer(self, stream: str, windows: int) -> None:
        job = scripted(stream, 10 * len(self.jobs), windows=windows)
        if self.dispatch.admits(job):
            self.jobs.append(job)
            self.dispatch.offer(job)

    @rule()
    def take(self) -> None:
        lease = self.dispatch.take("anyone", now=0)
        if lease is not None:
            self.living.append((lease, said(lease)))

    @precondition(lambda self: self.living)
    @rule(data=st.data(), count=st.integers(1, 4))
    def hear(self, data: st.DataObject, count: int) -> None:
        lease, news = data.draw(st.sampled_from(self.living))
        self.dispatch.hear(lease, news[:count])
        del news[:count]
        if not news:
            self.living.remove((lease, news))

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        lease, news = data.draw(st.sampled_from(self.living))
        self.living.remove((lease, news))
        self.ghosts.append((lease, said(lease)))
        self.dispatch.lose(lease, "killed")

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def haunt(self, data: st.DataObject) -> None:
        lease, news = data.draw(st.sampled_from(self.ghosts))
        self.dispatch.hear(lease, news)
        self.dispatch.lose(lease, "killed again")

    @rule()
    def hand_on(self) -> None:
        self.out += self.dispatch.take_ready()

    @invariant()
    def bounded(self) -> None:
        finished = sum(isinstance(outcome, Finished) for outcome in self.out)
        in_flight = len(self.jobs) - finished
        assert in_flight <= self.bounds.jobs_in_flight
        assert self.dispatch.idle() == (in_flight == 0)

    def teardown(self) -> None:
        for lease, news in self.living:
            self.dispatch.hear(lease, news)
        while (lease_now := self.dispatch.take("last", now=0)) is not None:
            self.dispatch.hear(lease_now, said(lease_now))
        self.hand_on()
        assert self.dispatch.idle()
        for stream in "abc":
            self._check(stream)

    def _check(self, stream: str) -> None:
        out = iter([outcome for outcome in self.out if outcome.key.stream_id == stream])
        for job in (job for job in self.jobs if job.segment.key.stream_id == stream):
            expected = list(
                SegmentWorker(ScriptSandbox(killed), mean_scorers(), REQUEST, Reuse()).work(job)
            )  # type: ignore[arg-type]
            for scored in expected:
                found = next(out)
                if isinstance(found, Failed):
                    assert found.key == scored.key or isinstance(scored, Finished)
                    assert next(out) == Finished(key=job.segment.key)
                    break
                assert found == scored
        assert next(out, None) is None


TestRun = Run.TestCase
TestRun.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_finished_names_the_jobs_own_segment() -> None:
    dispatch = dispatch_of(scripted("s", 7, windows=2))
    lease = take(dispatch)

    dispatch.hear(lease, said(lease))

    assert list(dispatch.take_ready())[-1] == Finished(
        key=SegmentKey(stream_id=scripted().segment.key.stream_id, sequence=7)
    )
