from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner.arrivals import Lost, NoMore, Unreadable
from scanner.errors import DamagedError, InputError
from scanner.lines import ErrorLine, FrameLine, GapLine, IncidentLine, SummaryLine
from scanner.runner import Failed, Finished, Job, Outcome
from scanner.scan import scan
from scanner.types import SegmentKey, StreamId

from .build import POLICIES, STREAM, arrived, lines, runner, segment

BURNING = dict.fromkeys(range(4), 0.99)
QUIET = dict.fromkeys(range(4), 0.01)
OTHER = StreamId("other")


def test_each_streams_lines_end_with_its_summary() -> None:
    arrivals = [arrived(0), arrived(1), NoMore(stream_id=STREAM)]

    said = list(scan(arrivals, POLICIES, runner(segment(0, QUIET), segment(1, QUIET))))

    assert isinstance(said[-1], SummaryLine)
    assert said[-1].duration == 8.0


def test_a_stream_that_is_known_to_be_over_is_summed_up_before_the_next_one() -> None:
    outcomes = runner(segment(0, QUIET), segment(0, QUIET, stream=OTHER))

    said = lines(scan([arrived(last=True), arrived(stream=OTHER, last=True)], POLICIES, outcomes))

    assert [line.path for line in said] == ["s"] * 5 + ["other"] * 5


def test_streams_that_mix_are_kept_apart() -> None:
    arrivals = [arrived(0), arrived(0, stream=OTHER), arrived(1), arrived(1, stream=OTHER)]
    outcomes = runner(
        segment(0, BURNING),
        segment(1, BURNING),
        segment(0, QUIET, stream=OTHER),
        segment(1, QUIET, stream=OTHER),
    )

    said = list(scan(arrivals, POLICIES, outcomes))

    assert [line.path for line in lines(said, IncidentLine)] == ["s"]
    assert {line.path: line.flagged for line in lines(said, SummaryLine)} == {
        "s": ("fire",),
        "other": (),
    }


def test_what_cannot_be_read_is_told_and_the_others_go_on() -> None:
    arrivals = [
        Unreadable(path="gone", error=InputError("gone: no such file", kind="not_found")),
        arrived(last=True),
    ]

    said = lines(scan(arrivals, POLICIES, runner(segment(0, QUIET))))

    assert ErrorLine(path="gone", kind="not_found", message="gone: no such file") in said
    assert isinstance(said[-1], SummaryLine)


def test_an_error_after_the_last_job_is_told_too() -> None:
    said = list(scan([Unreadable(path="gone", error=InputError("gone"))], POLICIES, runner()))

    assert [type(line) for line in said] == [ErrorLine]


def test_a_failed_job_leaves_its_streams_other_segments_alone() -> None:
    failed = Failed(
        key=SegmentKey(stream_id=STREAM, sequence=0), name="s/0", error=DamagedError("s/0: torn")
    )

    said = lines(scan([arrived(0), arrived(1)], POLICIES, runner(failed, segment(1, QUIET))))

    assert [type(line) for line in said].count(ErrorLine) == 1
    assert lines(said, SummaryLine)[0].frames == 4


def test_an_incident_that_closed_is_told_as_a_line_with_its_times() -> None:
    said = scan(
        [arrived(0), arrived(1)], POLICIES, runner(segment(0, BURNING), segment(1, BURNING))
    )

    (incident,) = lines(said, IncidentLine)
    assert (incident.label, incident.category, incident.severity) == ("fire", "hazard", 2)
    assert incident.start <= incident.opened <= incident.end


def test_the_same_scores_give_the_same_incidents() -> None:
    def once() -> list[object]:
        return list(
            lines(
                scan(
                    [arrived(0), arrived(1)],
                    POLICIES,
                    runner(segment(0, BURNING), segment(1, BURNING)),
                ),
                IncidentLine,
            )
        )

    assert once() == once()


def test_a_segment_that_is_lost_is_missing_at_once() -> None:
    lost = Lost(path="s", key=SegmentKey(stream_id=STREAM, sequence=1))

    said = lines(
        scan([arrived(0), lost, arrived(2)], POLICIES, runner(segment(0, QUIET), segment(2, QUIET)))
    )

    assert [(line.start, line.end, line.reason) for line in lines(said, GapLine)] == [
        (4.0, 8.0, "missing")
    ]


def test_what_is_lost_at_the_end_is_a_gap_as_long_as_the_segment_before_for_each() -> None:
    lost = [
        Lost(path="s", key=SegmentKey(stream_id=STREAM, sequence=sequence)) for sequence in (1, 2)
    ]

    said = lines(
        scan([arrived(0), *lost, NoMore(stream_id=STREAM)], POLICIES, runner(segment(0, QUIET)))
    )

    (summary,) = lines(said, SummaryLine)
    assert [(line.start, line.end, line.reason) for line in lines(said, GapLine)] == [
        (4.0, 12.0, "missing")
    ]
    assert (summary.duration, summary.coverage) == (12.0, 4 / 12)


def test_segments_that_arrive_out_of_order_are_folded_in_order() -> None:
    outcomes = [segment(i, QUIET) for i in range(4)]

    said = lines(scan([arrived(i) for i in (0, 2, 1, 3)], POLICIES, runner(*outcomes)))

    assert [line.at for line in lines(said, FrameLine)] == list(range(16))
    assert lines(said, GapLine) == []


def test_a_segment_that_arrives_twice_counts_once() -> None:
    outcomes = runner(segment(0, QUIET), segment(1, QUIET))

    said = lines(scan([arrived(0), arrived(0), arrived(1), arrived(0)], POLICIES, outcomes))

    assert outcomes.names == ["s/0", "s/1"]
    assert len(lines(said, FrameLine)) == 8


def test_one_that_never_arrives_is_missing_when_three_later_ones_did_and_late_after_that() -> None:
    outcomes = [segment(i, QUIET) for i in range(5)]

    said = lines(scan([arrived(i) for i in (0, 2, 3, 4, 1)], POLICIES, runner(*outcomes)))

    gaps = [(line.start, line.end, line.reason) for line in lines(said, GapLine)]
    assert sorted(gaps) == [(4.0, 8.0, "late"), (4.0, 8.0, "missing")]
    assert lines(said, SummaryLine)[0].coverage == 16 / 20


def test_one_that_arrived_is_waited_for_however_many_later_ones_are_done() -> None:
    outcomes = {one.key: one for one in (segment(i, QUIET) for i in range(8))}

    class Backwards:
        """Is done with the last job first."""

        def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
            for job in reversed(list(jobs)):
                yield outcomes[job.segment.key]
                yield Finished(key=job.segment.key)

    said = lines(scan([arrived(i) for i in range(8)], POLICIES, Backwards()))

    assert [line.at for line in lines(said, FrameLine)] == list(range(32))
    assert lines(said, GapLine) == []


def test_a_stream_that_ends_with_a_lost_segment_is_summed_up_while_others_go_on() -> None:
    lost = Lost(path="s", key=SegmentKey(stream_id=STREAM, sequence=1))
    arrivals = [
        arrived(0),
        lost,
        NoMore(stream_id=STREAM),
        arrived(0, stream=OTHER),
        arrived(1, stream=OTHER),
    ]
    outcomes = runner(
        segment(0, QUIET), segment(0, QUIET, stream=OTHER), segment(1, QUIET, stream=OTHER)
    )

    said = lines(scan(arrivals, POLICIES, outcomes))

    first, last = lines(said, SummaryLine)
    assert (first.path, last.path) == ("s", "other")
    assert isinstance(said[said.index(first) + 1], FrameLine)
