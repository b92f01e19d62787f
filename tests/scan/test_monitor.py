from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from scanner.errors import DamagedError, QuarantinedError
from scanner.lines import ErrorLine, FrameLine, GapLine, SummaryLine
from scanner.monitor import Monitor
from scanner.risk.incident import Closed, Opened
from scanner.risk.policy import Policies
from scanner.runner import Failed
from scanner.scan import Said
from scanner.types import Medium, SegmentKey

from .build import FIRE, POLICIES, STREAM, lines, segment

ON_CAMERA = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], when=frozenset({Medium.CAMERA}))})
BURNING = {0: 0.99, 1: 0.99, 2: 0.99, 3: 0.99}
QUIET = dict.fromkeys(range(4), 0.01)


def watched(*outcomes: object, policies: Policies = POLICIES) -> list[Said]:
    monitor = Monitor("path", STREAM, policies)
    said: list[Said] = []
    for outcome in outcomes:
        said += monitor.take(outcome)  # type: ignore[arg-type]
    return [*said, *monitor.finish()]


def test_frames_of_later_segments_continue_the_stream_clock() -> None:
    said = watched(segment(0, QUIET), segment(1, QUIET))

    assert [line.at for line in lines(said, FrameLine)] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_counter_that_wraps_between_segments_leaves_no_gap() -> None:
    end = 2**33
    said = watched(segment(0, QUIET, first_pts=end - 4 * 90_000), segment(1, QUIET, first_pts=0))

    assert [line.at for line in lines(said, FrameLine)][-1] == 7
    assert lines(said, GapLine) == []


def test_lasting_fire_opens_one_incident_that_the_end_closes() -> None:
    said = watched(segment(0, BURNING), segment(1, BURNING))

    assert [type(event) for event in said if isinstance(event, Opened | Closed)] == [Opened, Closed]
    assert lines(said, SummaryLine)[0].flagged == (FIRE,)


def test_a_missing_segment_is_a_gap_and_lowers_coverage() -> None:
    said = watched(segment(0, QUIET), segment(2, QUIET))

    (gap,), (summary,) = lines(said, GapLine), lines(said, SummaryLine)
    assert (gap.start, gap.end, gap.reason) == (4.0, 8.0, "missing")
    assert (summary.duration, summary.coverage) == (12.0, 8 / 12)


def test_a_damaged_segment_is_an_error_and_an_undecodable_gap() -> None:
    damaged = Failed(
        key=SegmentKey(stream_id=STREAM, sequence=1), name="s/1", error=DamagedError("s/1: torn")
    )

    said = watched(segment(0, QUIET), damaged, segment(2, QUIET))

    assert [line.kind for line in lines(said, ErrorLine)] == ["damaged"]
    assert [line.reason for line in lines(said, GapLine)] == ["undecodable"]


def test_a_damaged_segment_at_the_end_is_an_undecodable_gap_too() -> None:
    damaged = Failed(
        key=SegmentKey(stream_id=STREAM, sequence=1), name="s/1", error=DamagedError("s/1: torn")
    )

    said = watched(segment(0, QUIET), damaged)

    (gap,), (summary,) = lines(said, GapLine), lines(said, SummaryLine)
    assert (gap.start, gap.end, gap.reason) == (4.0, 8.0, "undecodable")
    assert (summary.duration, summary.coverage) == (8.0, 0.5)


def test_a_file_whose_first_window_is_lost_keeps_its_own_times() -> None:
    poison = Failed(
        key=SegmentKey(stream_id=STREAM, sequence=0),
        name="s",
        error=QuarantinedError("s: twice", kind="limit_cpu"),
    )

    said = watched(poison, replace(segment(1, QUIET), begins=Fraction(10)))

    assert [line.at for line in lines(said, FrameLine)] == [10, 11, 12, 13]
    assert [(line.start, line.end, line.reason) for line in lines(said, GapLine)] == [
        (0.0, 10.0, "quarantined")
    ]
    assert lines(said, SummaryLine)[0].duration == 14.0


def test_a_quarantined_segment_is_told_as_such() -> None:
    poison = Failed(
        key=SegmentKey(stream_id=STREAM, sequence=1),
        name="s/1",
        error=QuarantinedError("s/1: twice", kind="limit_time"),
    )

    said = watched(segment(0, QUIET), poison, segment(2, QUIET))

    assert [line.kind for line in lines(said, ErrorLine)] == ["limit_time"]
    assert [line.reason for line in lines(said, GapLine)] == ["quarantined"]


def test_what_could_not_be_read_at_all_has_an_error_and_no_summary() -> None:
    said = watched(
        Failed(
            key=SegmentKey(stream_id=STREAM, sequence=0), name="s", error=DamagedError("s: torn")
        )
    )

    assert [type(line) for line in said] == [ErrorLine]


def test_a_stream_of_which_no_frame_could_be_seen_is_an_error_before_its_summary() -> None:
    said = watched(segment(0, {}), segment(1, {}))

    assert lines(said, ErrorLine) == [
        ErrorLine(path="path", kind="no_video", message="path: no frame of it could be seen")
    ]
    assert isinstance(said[-1], SummaryLine)
    assert said[-1].coverage == 0.0


def test_a_stream_whose_segments_are_all_missing_is_an_error() -> None:
    said = watched()

    assert [line.kind for line in lines(said, ErrorLine)] == ["no_video"]


def test_what_is_not_known_is_as_likely_as_ever() -> None:
    said = watched(segment(0, QUIET, medium={Medium.RENDERED: 1.0}), policies=ON_CAMERA)

    (summary,) = lines(said, SummaryLine)
    assert summary.peak_level == {FIRE: None}
    assert summary.peak_risk == {FIRE: pytest.approx(1 / 360)}


def test_a_still_is_flagged_by_its_threshold_without_the_fold() -> None:
    said = watched(segment(0, {0: 0.97}, seconds=0, still=True))

    (summary,) = lines(said, SummaryLine)
    assert summary.flagged == (FIRE,)
    assert (summary.duration, summary.coverage, summary.peak_risk) == (0.0, 1.0, {})


def test_the_medium_is_told_as_a_share_of_the_seen_time() -> None:
    said = watched(
        segment(0, QUIET, medium={Medium.RENDERED: 1.0}),
        segment(1, QUIET, medium={Medium.CAMERA: 1.0}),
    )

    shares = lines(said, SummaryLine)[0].medium
    assert shares.keys() == {"rendered", "camera"}
    assert sum(shares.values()) == 1.0


def test_bursts_open_an_incident_that_the_frames_in_their_place_would_not() -> None:
    alone = watched(segment(0, QUIET), segment(1, QUIET))
    said = watched(
        segment(0, QUIET, bursts={0: 0.99, 2: 0.99}), segment(1, QUIET, bursts={0: 0.99, 2: 0.99})
    )

    assert lines(alone, SummaryLine)[0].flagged == ()
    assert lines(said, SummaryLine)[0].flagged == (FIRE,)


def test_quiet_bursts_take_back_what_frames_would_open() -> None:
    said = watched(
        segment(0, BURNING, bursts={0: 0.01, 2: 0.01}),
        segment(1, BURNING, bursts={0: 0.01, 2: 0.01}),
    )

    assert lines(said, SummaryLine)[0].flagged == ()
    assert lines(said, SummaryLine)[0].peak_score == {FIRE: 0.01}


def test_a_burst_is_a_frame_line_with_its_start_and_the_frames_keep_what_they_said() -> None:
    said = watched(segment(0, QUIET), segment(1, QUIET, bursts={1: 0.5}))

    *_, fifth, sixth, seventh, burst, eighth = lines(said, FrameLine)
    assert [line.at for line in (fifth, sixth, seventh, burst, eighth)] == [4, 5, 6, 6, 7]
    assert (burst.burst, burst.models, burst.scores) == (
        {"frames": 5, "rate": 4, "start": 5.0},
        ("fake-clip@1",),
        {FIRE: 0.5},
    )
    assert (sixth.scores, sixth.superseded, sixth.burst) == ({}, {FIRE: 0.01}, None)


def test_a_burst_that_ends_with_a_frame_is_folded_too() -> None:
    said = watched(
        segment(0, QUIET, bursts={0: 0.99, 1: 0.99, 2: 0.99}),
        segment(1, QUIET, bursts={0: 0.99, 1: 0.99, 2: 0.99}),
    )

    assert {line.at for line in lines(said, FrameLine) if line.burst} <= {
        line.at for line in lines(said, FrameLine) if not line.burst
    }
    assert lines(said, SummaryLine)[0].flagged == (FIRE,)


def test_bursts_count_where_the_frames_beside_them_are_of_a_medium_that_does() -> None:
    for medium, flagged in ((Medium.CAMERA, (FIRE,)), (Medium.SCREEN, ())):
        both = [
            segment(i, QUIET, bursts={0: 0.99, 2: 0.99}, medium={medium: 1.0}) for i in range(2)
        ]
        assert lines(watched(*both, policies=ON_CAMERA), SummaryLine)[0].flagged == flagged


def test_bursts_change_neither_coverage_nor_the_share_of_media() -> None:
    sparse = {0: 0.01, 3: 0.01}
    with_bursts = segment(
        0,
        sparse,
        seconds=8,
        bursts={0: 0.99, 2: 0.99, 4: 0.99, 6: 0.99},
        medium={Medium.CAMERA: 1.0},
    )

    without, said = (
        watched(segment(0, sparse, seconds=8, medium={Medium.CAMERA: 1.0})),
        watched(with_bursts),
    )

    assert lines(without, GapLine) == lines(said, GapLine)
    (one,), (other,) = lines(without, SummaryLine), lines(said, SummaryLine)
    assert (one.coverage, one.medium) == (other.coverage, other.medium)
