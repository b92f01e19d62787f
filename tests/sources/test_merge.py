"""Sources read side by side: order, back-pressure, failures and the end of the threads. The sources
are generators that a test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence

import pytest

from scanner.sources.cancellation import Cancellation
from scanner.sources.merge import FollowedSource, MergedArrivals
from scanner.stream.inputs import Arrival, SegmentArrived, SourceFailed, StreamEnded
from scanner.types import Segment, SegmentKey, StreamId

PATIENCE_SECONDS = 30.0
Arrivals = Generator[Arrival, None, None]


def segment(path: str, sequence: int) -> SegmentArrived:
    key = SegmentKey(stream_id=StreamId(path), sequence=sequence)
    return SegmentArrived(path=path, segment=Segment(key=key, source=b""), name=str(key))


def followed(path: str, read: Callable[[Cancellation], Arrivals]) -> FollowedSource:
    return FollowedSource(path=path, stream_id=StreamId(path), read=read)


def endless(path: str, produced: list[str] | None = None) -> FollowedSource:
    """A source that always has another segment."""

    def read(_: Cancellation) -> Arrivals:
        sequence = 0
        while True:
            if produced is not None:
                produced.append(path)
            yield segment(path, sequence)
            sequence += 1

    return followed(path, read)


def finite(path: str, count: int) -> FollowedSource:
    def read(_: Cancellation) -> Arrivals:
        yield from (segment(path, sequence) for sequence in range(count))
        yield StreamEnded(stream_id=StreamId(path))

    return followed(path, read)


def silent(path: str, reached: threading.Event | None = None) -> FollowedSource:
    """A source that has nothing until it is cancelled."""

    def read(cancellation: Cancellation) -> Arrivals:
        if reached is not None:
            reached.set()
        cancellation.sleep(3600)
        yield segment(path, 0)

    return followed(path, read)


@pytest.fixture
def merge() -> Iterator[Callable[..., MergedArrivals]]:
    """Makes merged arrivals, and closes them and checks that no thread is left."""
    made: list[MergedArrivals] = []

    def make(
        *sources: FollowedSource,
        files: Sequence[Arrival | FollowedSource] = (),
        concurrent: int = 16,
    ) -> MergedArrivals:
        made.append(MergedArrivals(iter(files), sources, concurrent=concurrent))
        return made[-1]

    yield make
    for arrivals in made:
        arrivals.close()
    assert running_threads() == []


def running_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("streamwarden-source")
    ]


Merge = Callable[..., MergedArrivals]


def sequences(arrivals: Sequence[Arrival], path: str) -> list[int]:
    return [
        arrival.segment.key.sequence
        for arrival in arrivals
        if isinstance(arrival, SegmentArrived) and arrival.path == path
    ]


def test_files_alone_stay_in_their_order(merge: Merge) -> None:
    files = [segment("b", 0), segment("a", 0)]

    assert list(merge(files=files)) == files


def test_two_endless_sources_are_interleaved_each_in_its_order(merge: Merge) -> None:
    arrivals = merge(endless("a"), endless("b"))

    got = list[Arrival]()
    while min(len(sequences(got, path)) for path in "ab") < 10 and len(got) < 10_000:
        got.append(next(arrivals))

    for path in "ab":
        assert sequences(got, path) == list(range(len(sequences(got, path))))
        assert len(sequences(got, path)) >= 10


def test_everything_of_every_source_arrives(merge: Merge) -> None:
    names = [str(number) for number in range(7)]
    files = [segment("file", 0)]

    got = list(merge(*(finite(name, 5) for name in names), files=files, concurrent=3))

    for name in names:
        assert sequences(got, name) == list(range(5))
    assert sum(isinstance(arrival, StreamEnded) for arrival in got) == 7
    assert sequences(got, "file") == [0]


def test_a_ready_source_goes_before_the_next_file(merge: Merge) -> None:
    taken = threading.Event()

    def read(_: Cancellation) -> Arrivals:
        yield segment("live", 0)
        taken.set()
        yield segment("live", 1)

    arrivals = merge(followed("live", read), files=[segment("file", n) for n in range(1000)])
    got = [next(arrivals)]
    assert taken.wait(PATIENCE_SECONDS)  # the live segment is ready, or was the first arrival

    got.append(next(arrivals))

    assert sequences(got, "live")[:1] == [0]


def test_a_source_among_the_files_is_followed_beside_them(merge: Merge) -> None:
    files = [segment("file", 0), finite("added", 3), finite("another", 3), segment("file", 1)]
    arrivals = merge(finite("live", 1), files=files, concurrent=2)

    found = list(arrivals)

    assert sequences(found, "file") == [0, 1]
    for path in ("added", "another"):
        assert sequences(found, path) == [0, 1, 2]


def test_files_are_read_while_a_source_has_nothing(merge: Merge) -> None:
    files = [segment("file", number) for number in range(3)]
    arrivals = merge(silent("live"), files=files)

    assert [next(arrivals) for _ in files] == files


def test_a_source_is_read_at_most_two_arrivals_ahead(merge: Merge) -> None:
    produced: list[str] = []
    arrivals = merge(endless("a", produced))

    for taken in range(1, 50):
        next(arrivals)
        assert len(produced) <= taken + 2


def test_a_slow_source_does_not_hold_back_another(merge: Merge) -> None:
    got = merge(silent("slow"), endless("fast"))

    assert sequences([next(got) for _ in range(10)], "fast") == list(range(10))


def test_no_more_sources_than_allowed_are_followed_at_once(merge: Merge) -> None:
    lock, active, highest = threading.Lock(), set[str](), [0]
    two = threading.Barrier(2)

    def source(path: str) -> FollowedSource:
        def read(_: Cancellation) -> Arrivals:
            with lock:
                active.add(path)
                highest[0] = max(highest[0], len(active))
            two.wait(PATIENCE_SECONDS)
            yield segment(path, 0)
            yield segment(path, 1)
            with lock:
                active.remove(path)

        return followed(path, read)

    got = list(merge(*(source(str(number)) for number in range(8)), concurrent=2))

    assert len(got) == 16
    assert highest[0] == 2


def test_a_source_that_waits_begins_when_another_has_ended(merge: Merge) -> None:
    arrivals = merge(silent("a"), finite("b", 1), finite("c", 1), concurrent=2)

    got = [next(arrivals) for _ in range(4)]

    assert sequences(got, "b") == sequences(got, "c") == [0]


@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError(), UnicodeError("host")])
def test_an_unexpected_error_ends_its_own_source_only(error: Exception, merge: Merge) -> None:
    def read(_: Cancellation) -> Arrivals:
        yield segment("bad", 0)
        raise error

    got = list(merge(followed("bad", read), finite("good", 3)))

    assert sequences(got, "good") == [0, 1, 2]
    (unreadable,) = (arrival for arrival in got if isinstance(arrival, SourceFailed))
    assert unreadable.path == "bad"
    assert type(error).__name__ in str(unreadable.error)
    assert StreamEnded(stream_id=StreamId("bad")) in got


def test_threads_start_with_the_first_arrival_that_is_requested(merge: Merge) -> None:
    arrivals = merge(endless("a"))
    assert running_threads() == []

    next(arrivals)

    assert running_threads() != []


def test_no_thread_is_left_at_the_end(merge: Merge) -> None:
    list(merge(finite("a", 2), finite("b", 2)))

    assert running_threads() == []


def test_closing_ends_threads_that_wait_whatever_they_wait_for(merge: Merge) -> None:
    reached = threading.Event()
    arrivals = merge(endless("full"), silent("pausing", reached), endless("waiting"), concurrent=2)
    next(arrivals)
    assert reached.wait(PATIENCE_SECONDS)

    arrivals.close()

    assert running_threads() == []
    assert list(arrivals) == []


def test_closing_closes_the_sources_in_their_own_threads(merge: Merge) -> None:
    closed_in: list[str] = []

    def read(_: Cancellation) -> Arrivals:
        try:
            while True:
                yield segment("a", 0)
        finally:
            closed_in.append(threading.current_thread().name)

    arrivals = merge(followed("a", read))
    next(arrivals)

    arrivals.close()

    assert closed_in == ["streamwarden-source-0"]


def test_closing_wakes_another_thread_that_waits_for_an_arrival(merge: Merge) -> None:
    arrivals, got = merge(silent("live"), files=[segment("file", 0)]), list[Arrival]()
    waiting = threading.Event()

    def consume() -> None:
        got.append(next(arrivals))
        waiting.set()
        got.extend(arrivals)

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert waiting.wait(PATIENCE_SECONDS)

    arrivals.close()
    consumer.join(PATIENCE_SECONDS)

    assert not consumer.is_alive()
    assert got == [segment("file", 0)]


def test_closing_before_the_first_arrival_starts_nothing(merge: Merge) -> None:
    arrivals = merge(endless("a"), files=[segment("file", 0)])

    arrivals.close()

    assert list(arrivals) == []
    assert running_threads() == []


def test_arrivals_that_are_dropped_end_their_threads() -> None:
    arrivals = MergedArrivals(iter(()), (endless("a"), silent("b")), concurrent=2)
    next(arrivals)
    threads = [t for t in threading.enumerate() if t.name.startswith("streamwarden-source")]

    del arrivals
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len(threads) == 2
    assert running_threads() == []
