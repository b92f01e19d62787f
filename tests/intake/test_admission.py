"""Back-pressure: by the age of what waits, fair between keys; by the disk; by what is in flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.intake.access import Access
from scanner.intake.admission import InFlight, check_backlog, check_disk
from scanner.intake.problems import Problem
from scanner.intake.watch import Observed, Pace, Watch
from scanner.settings.service import QuotaSettings
from scanner.store.database import open_journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.objects import ObjectStore
from scanner.store.operation_queries import Backlog, WaitingShare

QUOTA = QuotaSettings(
    backlog_seconds=30, bytes_in_flight=1000, requests_in_flight=10, key_share=0.5
)


def waiting(pace: float | None = None, **by_key: tuple[int, float]) -> Observed:
    """Return a reading with this many segments of each key, the oldest of this many seconds."""
    shares = {key: WaitingShare(count=count, oldest_at=0.0) for key, (count, _) in by_key.items()}
    ages: dict[str | None, float] = {key: age for key, (_, age) in by_key.items()}
    return Observed(access=Access([]), backlog=Backlog(by_key=shares), ages=ages, pace=pace)


def test_a_key_whose_oldest_segment_is_old_has_to_wait() -> None:
    with pytest.raises(Problem) as refused:
        check_backlog(waiting(a=(10, 42.5)), "a", QUOTA)

    assert (refused.value.type.status, refused.value.retry_after) == (429, 13)


def test_the_backlog_of_one_key_does_not_stop_another() -> None:
    observed = waiting(a=(1000, 300.0), b=(2, 1.0))

    check_backlog(observed, "b", QUOTA)
    check_backlog(observed, "c", QUOTA)
    with pytest.raises(Problem):
        check_backlog(observed, "a", QUOTA)


def test_a_key_with_more_than_its_share_waits_earlier_while_others_wait_too() -> None:
    crowded, alone = waiting(a=(90, 5.0), b=(10, 16.0)), waiting(a=(90, 16.0))

    with pytest.raises(Problem):
        check_backlog(crowded, "a", QUOTA)
    check_backlog(crowded, "b", QUOTA)
    check_backlog(alone, "a", QUOTA)


def test_a_backlog_that_will_take_too_long_is_refused_before_it_is_old() -> None:
    crowded = waiting(pace=2.0, a=(70, 8.0))

    with pytest.raises(Problem, match="takes about 35 s, limit is 30 s") as refused:
        check_backlog(crowded, "a", QUOTA)
    assert refused.value.retry_after == 5
    for tolerable in (
        waiting(pace=2.0, a=(60, 8.0)),
        waiting(pace=2.0, a=(70, 7.0)),
        waiting(pace=None, a=(70, 8.0)),
        waiting(pace=0.0, a=(70, 8.0)),
    ):
        check_backlog(tolerable, "a", QUOTA)


def test_keys_with_a_backlog_count_on_equal_parts_of_the_pace() -> None:
    observed = waiting(pace=2.0, a=(40, 8.0), b=(20, 8.0))

    check_backlog(observed, "b", QUOTA)
    check_backlog(observed, "c", QUOTA)
    with pytest.raises(Problem, match="about 40 s"):
        check_backlog(observed, "a", QUOTA)


def test_the_pace_is_the_best_of_the_last_half_minute() -> None:
    pace = Pace()
    assert pace.observe(0.0, 0) is None
    assert pace.observe(9.5, 90) is None
    assert pace.observe(10.0, 100) == 10.0
    assert [pace.observe(at, 100) for at in (20.0, 30.0, 40.5)] == [10.0, 10.0, 0.0]


def test_a_nearly_full_disk_takes_nothing() -> None:
    check_disk(Observed(access=Access([]), free_share=0.06), 0.05)
    with pytest.raises(Problem, match=r"4\.0 % of the disk are free, 5 % wanted"):
        check_disk(Observed(access=Access([]), free_share=0.04), 0.05)


def test_requests_and_bytes_in_flight_are_bounded_and_counted_back() -> None:
    in_flight = InFlight(QUOTA)
    with in_flight.begin("a", 900):
        with pytest.raises(Problem, match="too many bytes"):
            in_flight.begin("a", 101)
        with in_flight.begin("a", 0) as second:
            second.grow_to(100)
            second.grow_to(50)
            with pytest.raises(Problem, match="too many bytes"):
                second.grow_to(101)
            assert (in_flight.requests, in_flight.bytes) == (2, 1000)

    assert (in_flight.requests, in_flight.bytes) == (0, 0)


def test_a_key_has_its_share_of_what_is_in_flight_while_others_send_too() -> None:
    in_flight = InFlight(QUOTA)
    with in_flight.begin("b", 0):
        flights = [in_flight.begin("a", 0) for _ in range(5)]
        with pytest.raises(Problem, match="too many requests"):
            in_flight.begin("a", 0)
        with pytest.raises(Problem, match="too many bytes"):
            in_flight.begin("b", 501)
    for flight in flights:
        flight.__exit__(None, None, None)
    with in_flight.begin("a", 900):
        pass


class FakeTime:
    """Two clocks that a test moves."""

    wall, monotonic = 1_000_000.0, 50.0

    def read_wall(self) -> float:
        return self.wall

    def read_monotonic(self) -> float:
        return self.monotonic


def test_age_rules_pause_when_the_wall_clock_jumps(tmp_path: Path) -> None:
    time = FakeTime()
    journal = open_journal(tmp_path, create=True, clock=time.read_wall)
    new = NewSegment(
        stream=NewStream(stream_id="s"), sequence=0, object="o", bytes=1, sha256="00" * 32
    )
    with journal.write() as connection:
        Intake(connection, now=time.wall, shard_count=64).add_segment(new)
    watch = Watch(
        journal, ObjectStore(tmp_path / "objects"), monotonic=time.read_monotonic, period=3600
    )

    time.wall, time.monotonic = time.wall + 10, time.monotonic + 10
    watch.refresh()
    steady = watch.now.oldest_age
    time.wall += 7200
    watch.refresh()
    jumped = watch.now.oldest_age
    time.wall, time.monotonic = time.wall + 601, time.monotonic + 601
    watch.refresh()
    later = watch.now.oldest_age
    watch.close()
    journal.close()

    assert (steady, jumped, later) == (10.0, 0.0, 7811.0)
