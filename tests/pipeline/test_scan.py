from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from scanner.errors import DamagedError, InputError
from scanner.pipeline.scan import PathFailed, Scan, _ScannedStreams, scan
from scanner.report.lines import ErrorLine, FrameLine, GapLine, IncidentLine, SummaryLine
from scanner.risk.incident import Closed, Opened
from scanner.stream.inputs import (
    Arrival,
    Outcome,
    SegmentLost,
    SegmentTurn,
    SourceFailed,
    StreamEnded,
    StreamStarted,
    Turn,
)
from scanner.stream.run import LONGEST_RUN
from scanner.stream.state import StreamProgress
from scanner.types import ScoredSegment, SegmentKey, StreamId
from tests.stream.build import (
    POLICIES,
    STREAM,
    FakeScores,
    arrived,
    failed,
    lines,
    scan_events,
    segment,
)

BURNING = dict.fromkeys(range(4), 0.99)
QUIET = dict.fromkeys(range(4), 0.01)
OTHER = StreamId("other")


def lost(sequence: int) -> SegmentLost:
    return SegmentLost(path="s", key=SegmentKey(stream_id=STREAM, sequence=sequence))


def gaps(events: Iterable[object]) -> list[tuple[float, float, str]]:
    found = lines(events, GapLine)  # type: ignore[arg-type]
    return [(line.start, line.end, line.reason) for line in found]


def test_each_streams_lines_end_with_its_summary() -> None:
    arrivals = [arrived(0), arrived(1), StreamEnded(stream_id=STREAM)]

    *_, last = lines(scan_events(arrivals, segment(0, QUIET), segment(1, QUIET)))

    assert isinstance(last, SummaryLine)
    assert last.duration == 8.0


def test_a_stream_that_has_ended_has_its_summary_before_the_next_one() -> None:
    arrivals = [arrived(last=True), arrived(stream=OTHER, last=True)]

    found = lines(scan_events(arrivals, segment(0, QUIET), segment(0, QUIET, stream=OTHER)))

    assert [line.path for line in found] == ["s"] * 5 + ["other"] * 5


def test_streams_that_mix_stay_separate() -> None:
    arrivals = [arrived(0), arrived(0, stream=OTHER), arrived(1), arrived(1, stream=OTHER)]

    events = scan_events(
        arrivals,
        segment(0, BURNING),
        segment(1, BURNING),
        segment(0, QUIET, stream=OTHER),
        segment(1, QUIET, stream=OTHER),
    )

    assert [line.path for line in lines(events, IncidentLine)] == ["s"]
    assert {line.path: line.flagged for line in lines(events, SummaryLine)} == {
        "s": ("fire",),
        "other": (),
    }


def test_a_path_that_cannot_be_read_has_an_error_and_the_others_continue() -> None:
    missing = SourceFailed(path="gone", error=InputError("gone: no such file", kind="not_found"))

    found = lines(scan_events([missing, arrived(last=True)], segment(0, QUIET)))

    assert ErrorLine(path="gone", kind="not_found", message="gone: no such file") in found
    assert isinstance(found[-1], SummaryLine)


def test_an_error_after_the_last_turn_is_reported_too() -> None:
    events = scan_events([SourceFailed(path="gone", error=InputError("gone"))])

    assert [type(line) for line in lines(events)] == [ErrorLine]


def test_a_failed_job_does_not_change_its_streams_other_segments() -> None:
    events = scan_events(
        [arrived(0), arrived(1)], failed(0, DamagedError("s/0: torn")), segment(1, QUIET)
    )

    assert len(lines(events, ErrorLine)) == 1
    assert lines(events, SummaryLine)[0].frames == 4


def test_an_incident_that_closed_is_a_line_with_its_times() -> None:
    events = scan_events([arrived(0), arrived(1)], segment(0, BURNING), segment(1, BURNING))

    (incident,) = lines(events, IncidentLine)
    assert (incident.label, incident.category, incident.severity) == ("fire", "hazard", 2)
    assert incident.start <= incident.opened <= incident.end


def test_the_same_scores_give_the_same_events() -> None:
    def once() -> list[object]:
        return list(scan_events([arrived(0), arrived(1)], segment(0, BURNING), segment(1, BURNING)))

    assert once() == once()


def test_a_segment_that_is_lost_is_missing_at_once() -> None:
    arrivals = [arrived(0), lost(1), arrived(2)]

    assert gaps(scan_events(arrivals, segment(0, QUIET), segment(2, QUIET))) == [
        (4.0, 8.0, "missing")
    ]


def test_each_segment_lost_at_the_end_is_a_gap_as_long_as_the_one_before() -> None:
    events = scan_events(
        [arrived(0), lost(1), lost(2), StreamEnded(stream_id=STREAM)], segment(0, QUIET)
    )

    (summary,) = lines(events, SummaryLine)
    assert gaps(events) == [(4.0, 12.0, "missing")]
    assert (summary.duration, summary.coverage) == (12.0, 4 / 12)


def test_a_segment_that_is_reported_lost_after_it_arrived_counts_as_arrived() -> None:
    events = scan_events([arrived(0), arrived(1), lost(1)], segment(0, QUIET), segment(1, QUIET))

    assert gaps(events) == []
    assert lines(events, SummaryLine)[0].frames == 8


def test_segments_that_arrive_out_of_order_are_folded_in_order() -> None:
    events = scan_events([arrived(i) for i in (0, 2, 1, 3)], *(segment(i, QUIET) for i in range(4)))

    assert [line.at for line in lines(events, FrameLine)] == list(range(16))
    assert gaps(events) == []


def test_a_stream_whose_second_segment_arrives_first_loses_nothing() -> None:
    events = scan_events([arrived(i) for i in (1, 0, 2)], *(segment(i, QUIET) for i in range(3)))

    assert [line.sequence for line in lines(events, FrameLine)] == [
        sequence for sequence in range(3) for _ in range(4)
    ]


def test_a_stream_with_a_declared_first_sequence_does_not_wait_for_earlier_ones() -> None:
    started = StreamStarted(path="s", stream_id=STREAM, first_sequence=7)

    events = scan_events([started, arrived(7), arrived(8)], segment(7, QUIET), segment(8, QUIET))

    assert [line.at for line in lines(events, FrameLine)] == list(range(8))
    assert gaps(events) == []


def test_a_segment_that_arrives_twice_counts_once() -> None:
    scores = FakeScores(segment(0, QUIET), segment(1, QUIET))

    events = list(scan([arrived(i) for i in (0, 0, 1, 0)], scores.runner()))

    assert scores.names == ["s/0", "s/1"]
    assert len(lines(events, FrameLine)) == 8


def test_a_segment_is_missing_when_three_later_ones_arrived_and_late_after_that() -> None:
    events = scan_events(
        [arrived(i) for i in (0, 2, 3, 4, 1)], *(segment(i, QUIET) for i in range(5))
    )

    assert sorted(gaps(events)) == [(4.0, 8.0, "late"), (4.0, 8.0, "missing")]
    assert lines(events, SummaryLine)[0].coverage == 16 / 20


def test_a_late_segment_after_a_discontinuity_is_reported_in_the_hole_that_it_left() -> None:
    outcomes = [segment(i, QUIET) for i in range(4)]
    restarted = [segment(i, QUIET, first_pts=0, discontinuity=True) for i in (4,)]

    events = scan_events([arrived(i) for i in (0, 2, 3, 4, 1)], *outcomes, *restarted)

    assert (4.0, 8.0, "late") in gaps(events)


def test_an_arrival_after_the_end_is_an_error_and_starts_no_stream() -> None:
    arrivals = [arrived(0), arrived(1), StreamEnded(stream_id=STREAM), arrived(2)]

    events = scan_events(arrivals, segment(0, BURNING), segment(1, BURNING))

    assert [line.kind for line in lines(events, ErrorLine)] == ["stream_ended"]
    incidents = [event.event.incident.id for event in events if isinstance(event.event, Closed)]
    assert len(incidents) == 1
    assert len(lines(events, SummaryLine)) == 1


def test_the_ended_streams_that_are_remembered_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scanner.pipeline.scan.ENDED_KEPT", 2)
    names = [StreamId(name) for name in "abc"]
    arrivals = [
        one for name in names for one in (arrived(0, stream=name), StreamEnded(stream_id=name))
    ]
    scanned = _ScannedStreams(3)

    turns = [*scanned.turns([*arrivals, arrived(1, stream=StreamId("c"))])]

    assert [turn.stream_id for turn in turns] == [name for name in names for _ in range(2)]
    (refused,) = scanned.take_path_events()
    assert isinstance(refused.event, PathFailed)
    assert [*scanned._ended] == ["b", "c"]


def test_a_runner_that_finishes_streams_in_any_order_gives_each_its_events_in_order() -> None:
    scores = FakeScores(
        *(segment(i, QUIET) for i in range(3)), *(segment(i, QUIET, stream=OTHER) for i in range(3))
    )

    class LastStreamFirst:
        def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
            pulled = list(turns)
            for stream_id in (OTHER, STREAM):
                own = [turn for turn in pulled if turn.stream_id == stream_id]
                yield from scores.runner().run(own)

    arrivals = [arrived(i, stream=stream) for i in range(3) for stream in (STREAM, OTHER)]
    found = lines(scan(arrivals, LastStreamFirst()), FrameLine)

    assert [line.at for line in found if line.path == "s"] == list(range(12))
    assert [line.path for line in found] == ["other"] * 12 + ["s"] * 12


def test_a_stream_that_ends_with_a_lost_segment_has_its_summary_while_others_continue() -> None:
    arrivals = [
        arrived(0),
        lost(1),
        StreamEnded(stream_id=STREAM),
        arrived(0, stream=OTHER),
        arrived(1, stream=OTHER),
    ]

    found = lines(
        scan_events(
            arrivals,
            segment(0, QUIET),
            segment(0, QUIET, stream=OTHER),
            segment(1, QUIET, stream=OTHER),
        )
    )

    first, last = (line for line in found if isinstance(line, SummaryLine))
    assert (first.path, last.path) == ("s", "other")
    assert isinstance(found[found.index(first) + 1], FrameLine)


def test_a_scan_that_is_broken_off_ends_each_stream_where_it_is() -> None:
    arrivals = [arrived(i, stream=stream) for i in range(2) for stream in (STREAM, OTHER)]
    outcomes = (segment(0, BURNING), segment(0, QUIET, stream=OTHER), segment(1, QUIET))
    broken_off = Scan(
        [StreamStarted(path="new", stream_id=StreamId("new")), *arrivals],
        FakeScores(*outcomes).runner(),
    )

    scored = [next(broken_off)]
    while not isinstance(scored[-1].event, Opened):
        scored.append(next(broken_off))
    found = lines(broken_off.end_interrupted(POLICIES))

    assert [(line.path, line.kind) for line in found if isinstance(line, ErrorLine)] == [
        ("new", "interrupted"),
        ("s", "interrupted"),
    ]
    (incident,) = (line for line in found if isinstance(line, IncidentLine))
    assert (incident.start, incident.end) == (0.0, 4.0)
    (summary,) = (line for line in found if isinstance(line, SummaryLine))
    assert (summary.duration, summary.flagged) == (4.0, ("fire",))


def test_a_failure_is_reported_before_the_next_arrival() -> None:
    def arrivals() -> Iterator[Arrival]:
        yield SourceFailed(path="gone", error=InputError("gone: no such file"))
        raise AssertionError("the failure waits for another arrival")

    assert next(scan(arrivals(), FakeScores().runner())).path == "gone"


class WatchingRunner:
    """Runs turns, and notes how many segments each one has before it."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._runner = FakeScores(*outcomes).runner()
        self.counts: list[int] = []

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        return self._runner.run(self._watch(turns))

    def _watch(self, turns: Iterable[Turn]) -> Iterator[Turn]:
        for turn in turns:
            if isinstance(turn, SegmentTurn):
                self.counts.append(len(turn.job.previous))
            yield turn


def counts_before(*segments: ScoredSegment, lost_at: int | None = None) -> list[int]:
    """Return for each segment how many before it are at hand."""
    runner = WatchingRunner(*segments)
    arrivals = [
        lost(number) if number == lost_at else arrived(number) for number in range(len(segments))
    ]
    list(scan(arrivals, runner))
    return runner.counts


def test_a_stream_of_keyframes_keeps_one_segment_for_the_next_one() -> None:
    assert counts_before(*(segment(number, QUIET) for number in range(6))) == [0, 1, 1, 1, 1, 1]


def test_a_stream_keeps_its_segments_from_the_latest_keyframe_on() -> None:
    segments = [
        replace(segment(number, QUIET), has_keyframe=number % 3 == 0) for number in range(7)
    ]

    assert counts_before(*segments) == [0, 1, 2, 3, 1, 2, 3]


def test_after_a_lost_segment_no_one_is_kept_until_the_next_keyframe() -> None:
    segments = [replace(segment(number, QUIET), has_keyframe=number == 0) for number in range(5)]

    assert counts_before(*segments, lost_at=2) == [0, 1, 0, 0]


def test_the_segments_that_are_kept_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = [replace(segment(number, QUIET), has_keyframe=number == 0) for number in range(30)]

    assert max(counts_before(*segments)) == LONGEST_RUN
    monkeypatch.setattr("scanner.pipeline.scan.held_size", lambda source: 1)
    monkeypatch.setattr("scanner.pipeline.scan.RECENT_BYTES", 5)
    assert max(counts_before(*segments)) == 5
