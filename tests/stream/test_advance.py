from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest

from scanner.errors import DamagedError, QuarantinedError
from scanner.report.lines import ErrorLine, FrameLine, GapLine, SummaryLine
from scanner.risk.incident import Closed, Opened, Reason
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies
from scanner.stream.advance import advance
from scanner.stream.events import GapFound, SegmentScored, StreamFinished
from scanner.stream.inputs import EndTurn, LostTurn, MissingTurn, SignalTurn, StallTurn
from scanner.stream.state import StreamState
from scanner.types import Medium, SegmentKey, Span, Unseen
from tests.stream.build import FIRE, POLICIES, STREAM, failed, fold_to_end, lines, segment

ON_CAMERA = Policies(labels={FIRE: replace(POLICIES.labels[FIRE], when=frozenset({Medium.CAMERA}))})
BURNING = {0: 0.99, 1: 0.99, 2: 0.99, 3: 0.99}
QUIET = dict.fromkeys(range(4), 0.01)


def test_frames_of_later_segments_continue_the_stream_clock() -> None:
    events = fold_to_end(segment(0, QUIET), segment(1, QUIET))

    assert [line.at for line in lines(events, FrameLine)] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_counter_that_wraps_between_segments_leaves_no_gap() -> None:
    end = 2**33
    events = fold_to_end(
        segment(0, QUIET, first_pts=end - 4 * 90_000), segment(1, QUIET, first_pts=0)
    )

    assert [line.at for line in lines(events, FrameLine)][-1] == 7
    assert lines(events, GapLine) == []


def test_lasting_fire_opens_one_incident_that_the_end_closes() -> None:
    events = fold_to_end(segment(0, BURNING), segment(1, BURNING))

    assert [type(event) for event in events if isinstance(event, Opened | Closed)] == [
        Opened,
        Closed,
    ]
    assert lines(events, SummaryLine)[0].flagged == (FIRE,)


def test_a_missing_segment_is_a_gap_and_lowers_coverage() -> None:
    events = fold_to_end(segment(0, QUIET), segment(2, QUIET))

    (gap,), (summary,) = lines(events, GapLine), lines(events, SummaryLine)
    assert (gap.start, gap.end, gap.reason) == (4.0, 8.0, "missing")
    assert (summary.duration, summary.coverage) == (12.0, 8 / 12)


def test_a_declared_pause_before_the_next_segment_is_a_gap_of_its_length() -> None:
    paused = replace(segment(0, QUIET), declared=Fraction(24))

    events = fold_to_end(paused, segment(1, QUIET, first_pts=24 * 90_000))

    (gap,), (summary,) = lines(events, GapLine), lines(events, SummaryLine)
    assert (gap.start, gap.end, gap.reason) == (4.0, 24.0, "missing")
    assert summary.duration == 28.0


def test_a_track_that_is_not_scanned_lowers_coverage_and_hides_nothing_of_the_other() -> None:
    other = Unseen(span=Span(start=Fraction(0), end=Fraction(4)), reason="not_scanned")

    events = fold_to_end(
        replace(segment(0, BURNING), unseen=(other,)), replace(segment(1, BURNING), unseen=(other,))
    )

    summary = lines(events, SummaryLine)[0]
    assert summary.flagged == (FIRE,)
    assert summary.coverage == 0.0
    assert [(g.start, g.end, g.reason) for g in lines(events, GapLine)] == [
        (0.0, 4.0, "not_scanned"),
        (4.0, 8.0, "not_scanned"),
    ]


def test_many_lost_segments_at_the_end_are_a_gap_of_their_declared_length() -> None:
    seen = [segment(n, {0: 0.1}, seconds=2) for n in range(5)]
    lost = [
        LostTurn(key=SegmentKey(stream_id=STREAM, sequence=n), duration=Fraction(2))
        for n in range(5, 20)
    ]

    events = fold_to_end(*seen, *lost)

    (gap,) = (event for event in events if isinstance(event, GapFound))
    (finished,) = (event for event in events if isinstance(event, StreamFinished))
    assert gap.span == Span(start=Fraction(10), end=Fraction(40))
    assert finished.summary is not None
    assert (finished.summary.duration, finished.summary.coverage) == (40, 0.25)


def test_the_discontinuity_of_a_lost_segment_does_not_move_later_times() -> None:
    key = SegmentKey(stream_id=STREAM, sequence=2)
    before = [segment(n, {0: 0.1}, seconds=2) for n in range(2)]
    advert = [segment(n, {0: 0.1}, seconds=2, first_pts=(60 + 2 * n) * 90_000) for n in (3, 4)]
    lost = LostTurn(key=key, duration=Fraction(2), discontinuity=True)

    events = fold_to_end(*before, lost, *advert)

    scored = [event.offset for event in events if isinstance(event, SegmentScored)]
    gaps = [event.span for event in events if isinstance(event, GapFound)]
    assert scored == [0, 2, 6, 8]
    assert gaps == [Span(start=Fraction(4), end=Fraction(6))]


def test_a_segment_that_cannot_be_decoded_keeps_its_declared_length_and_discontinuity() -> None:
    torn = replace(failed(1, DamagedError("s: torn")), duration=Fraction(7), discontinuity=True)

    events = fold_to_end(segment(0, {0: 0.1}), torn, segment(2, {0: 0.1}, first_pts=0))

    assert [event.offset for event in events if isinstance(event, SegmentScored)] == [0, 11]


def test_a_damaged_segment_is_an_error_and_an_undecodable_gap() -> None:
    damaged = failed(1, DamagedError("s/1: torn"))

    events = fold_to_end(segment(0, QUIET), damaged, segment(2, QUIET))

    assert [line.kind for line in lines(events, ErrorLine)] == ["damaged"]
    assert [line.reason for line in lines(events, GapLine)] == ["undecodable"]


def test_a_damaged_segment_at_the_end_is_an_undecodable_gap_too() -> None:
    damaged = failed(1, DamagedError("s/1: torn"))

    events = fold_to_end(segment(0, QUIET), damaged)

    (gap,), (summary,) = lines(events, GapLine), lines(events, SummaryLine)
    assert (gap.start, gap.end, gap.reason) == (4.0, 8.0, "undecodable")
    assert (summary.duration, summary.coverage) == (8.0, 0.5)


def test_a_file_whose_first_window_is_lost_keeps_its_own_times() -> None:
    poison = failed(0, QuarantinedError("s: twice", kind="limit_cpu"))

    events = fold_to_end(poison, replace(segment(1, QUIET), begins=Fraction(10)))

    assert [line.at for line in lines(events, FrameLine)] == [10, 11, 12, 13]
    assert [(line.start, line.end, line.reason) for line in lines(events, GapLine)] == [
        (0.0, 10.0, "quarantined")
    ]
    assert lines(events, SummaryLine)[0].duration == 14.0


def test_a_quarantined_segment_is_reported_as_such() -> None:
    poison = failed(1, QuarantinedError("s/1: twice", kind="limit_time"))

    events = fold_to_end(segment(0, QUIET), poison, segment(2, QUIET))

    assert [line.kind for line in lines(events, ErrorLine)] == ["limit_time"]
    assert [line.reason for line in lines(events, GapLine)] == ["quarantined"]


def test_a_stream_that_could_not_be_read_has_an_error_and_no_summary() -> None:
    events = fold_to_end(failed(0, DamagedError("s: torn")))

    assert [type(line) for line in lines(events)] == [ErrorLine]


def test_a_stream_without_a_decoded_frame_has_an_error_before_its_summary() -> None:
    events = fold_to_end(segment(0, {}), segment(1, {}))

    assert lines(events, ErrorLine) == [
        ErrorLine(path="path", kind="no_video", message="path: no frame of it could be decoded")
    ]
    last = lines(events)[-1]
    assert isinstance(last, SummaryLine)
    assert last.coverage == 0.0


def test_a_stream_whose_segments_are_all_missing_is_an_error() -> None:
    events = fold_to_end()

    assert [line.kind for line in lines(events, ErrorLine)] == ["no_video"]


def test_the_risk_of_an_unknown_level_is_the_prior() -> None:
    events = fold_to_end(segment(0, QUIET, medium={Medium.RENDERED: 1.0}), policies=ON_CAMERA)

    (summary,) = lines(events, SummaryLine)
    assert summary.peak_level == {FIRE: None}
    assert summary.peak_risk == {FIRE: pytest.approx(1 / 360)}


def test_a_still_is_flagged_by_its_own_threshold() -> None:
    events = fold_to_end(segment(0, {0: 0.97}, seconds=0, still=True, whole_file=True))

    (summary,) = lines(events, SummaryLine)
    assert summary.flagged == (FIRE,)
    assert (summary.duration, summary.coverage, summary.peak_risk) == (0.0, 1.0, {})


def test_media_are_reported_as_shares_of_the_seen_time() -> None:
    events = fold_to_end(
        segment(0, QUIET, medium={Medium.RENDERED: 1.0}),
        segment(1, QUIET, medium={Medium.CAMERA: 1.0}),
    )

    shares = lines(events, SummaryLine)[0].medium
    assert shares.keys() == {"rendered", "camera"}
    assert sum(shares.values()) == 1.0


def test_bursts_open_an_incident_that_their_frames_alone_would_not() -> None:
    alone = fold_to_end(segment(0, QUIET), segment(1, QUIET))
    events = fold_to_end(
        segment(0, QUIET, bursts={0: 0.99, 2: 0.99}), segment(1, QUIET, bursts={0: 0.99, 2: 0.99})
    )

    assert lines(alone, SummaryLine)[0].flagged == ()
    assert lines(events, SummaryLine)[0].flagged == (FIRE,)


def test_low_bursts_prevent_an_incident_that_frames_would_open() -> None:
    events = fold_to_end(
        segment(0, BURNING, bursts={0: 0.01, 2: 0.01}),
        segment(1, BURNING, bursts={0: 0.01, 2: 0.01}),
    )

    assert lines(events, SummaryLine)[0].flagged == ()
    assert lines(events, SummaryLine)[0].peak_score == {FIRE: 0.01}


def test_a_burst_is_a_frame_line_with_its_start_and_the_frames_keep_their_scores() -> None:
    events = fold_to_end(segment(0, QUIET), segment(1, QUIET, bursts={1: 0.5}))

    *_, fifth, sixth, seventh, burst, eighth = lines(events, FrameLine)
    assert [line.at for line in (fifth, sixth, seventh, burst, eighth)] == [4, 5, 6, 6, 7]
    assert (burst.burst, burst.models, burst.scores) == (
        {"frames": 5, "rate": 4, "start": 5.0},
        ("fake-clip@1",),
        {FIRE: 0.5},
    )
    assert (sixth.scores, sixth.superseded, sixth.burst) == ({}, {FIRE: 0.01}, None)


def test_a_burst_that_ends_with_a_frame_is_folded_too() -> None:
    events = fold_to_end(
        segment(0, QUIET, bursts={0: 0.99, 1: 0.99, 2: 0.99}),
        segment(1, QUIET, bursts={0: 0.99, 1: 0.99, 2: 0.99}),
    )

    assert {line.at for line in lines(events, FrameLine) if line.burst} <= {
        line.at for line in lines(events, FrameLine) if not line.burst
    }
    assert lines(events, SummaryLine)[0].flagged == (FIRE,)


def test_bursts_count_where_the_frames_around_them_are_of_a_medium_that_counts() -> None:
    for medium, flagged in ((Medium.CAMERA, (FIRE,)), (Medium.SCREEN, ())):
        both = [
            segment(i, QUIET, bursts={0: 0.99, 2: 0.99}, medium={medium: 1.0}) for i in range(2)
        ]
        assert lines(fold_to_end(*both, policies=ON_CAMERA), SummaryLine)[0].flagged == flagged


def test_bursts_change_neither_coverage_nor_the_share_of_media() -> None:
    sparse = {0: 0.01, 3: 0.01}
    with_bursts = segment(
        0,
        sparse,
        seconds=8,
        bursts={0: 0.99, 2: 0.99, 4: 0.99, 6: 0.99},
        medium={Medium.CAMERA: 1.0},
    )

    without, events = (
        fold_to_end(segment(0, sparse, seconds=8, medium={Medium.CAMERA: 1.0})),
        fold_to_end(with_bursts),
    )

    assert lines(without, GapLine) == lines(events, GapLine)
    (one,), (other,) = lines(without, SummaryLine), lines(events, SummaryLine)
    assert (one.coverage, one.medium) == (other.coverage, other.medium)


def test_a_picture_among_a_streams_segments_is_one_sample_of_the_stream() -> None:
    picture = segment(1, {0: 0.99}, seconds=0, first_pts=0, still=True)

    events = fold_to_end(segment(0, BURNING), picture, segment(2, BURNING))

    assert [type(event) for event in events if isinstance(event, Opened | Closed)] == [
        Opened,
        Closed,
    ]
    (summary,) = lines(events, SummaryLine)
    assert summary.flagged == (FIRE,)
    assert summary.duration == 12.0
    assert [line.at for line in lines(events, FrameLine)] == [0, 1, 2, 3, 4, 8, 9, 10, 11]


def test_a_stall_closes_an_open_incident_as_unseen_and_does_not_move_the_clock() -> None:
    stalled = StallTurn(stream_id=STREAM)

    events = fold_to_end(segment(0, BURNING), stalled, segment(1, QUIET))

    (closed,) = [event for event in events if isinstance(event, Closed)]
    assert (closed.incident.reason, closed.incident.end) == (Reason.UNSEEN, 3)
    assert lines(events, SummaryLine)[0].duration == 8.0
    assert lines(events, SummaryLine)[0].coverage == 1.0


def test_after_a_stall_the_evidence_starts_anew() -> None:
    events = fold_to_end(segment(0, BURNING), StallTurn(stream_id=STREAM), segment(1, BURNING))

    opened = [event.incident.opened for event in events if isinstance(event, Opened)]
    assert opened == [Fraction(1), Fraction(6)]


def report(at: float, *, name: str = "report", until: float = 100, ratio: float = 20) -> SignalTurn:
    signal = Signal(at=Fraction(at), name=name, ratio=ratio, until=Fraction(until))
    return SignalTurn(stream_id=STREAM, signal=signal)


DOUBTFUL = dict.fromkeys(range(4), 0.8)
"""Not enough to open an incident, unless a signal speaks for it."""


def test_a_signal_that_is_older_than_the_last_frame_counts_from_there_on() -> None:
    events = fold_to_end(segment(0, DOUBTFUL), report(1), segment(1, DOUBTFUL))

    (opened,) = [event for event in events if isinstance(event, Opened)]
    assert opened.incident.opened == 3


def test_a_signal_ahead_of_the_stream_is_merged_into_the_segment_of_its_time() -> None:
    events = fold_to_end(segment(0, DOUBTFUL), report(5.5), segment(1, DOUBTFUL))

    (opened,) = [event for event in events if isinstance(event, Opened)]
    assert opened.incident.opened == Fraction(11, 2)


def test_a_thousand_signals_with_different_names_leave_a_bounded_state() -> None:
    state = StreamState.new(STREAM)
    for given in (segment(0, QUIET), *(report(1, name=f"name {n}") for n in range(1000))):
        state, _ = advance(state, given, POLICIES)
    ahead = state
    for n in range(1000):
        ahead, _ = advance(ahead, report(50, name=f"name {n}"), POLICIES)

    assert len(state.risk.signals) == 32
    assert len(ahead.signals) == 32
    assert len(json.dumps(ahead.to_json())) < 20_000


def test_the_number_of_stored_holes_is_bounded() -> None:
    state = StreamState.new(STREAM)
    for sequence in range(0, 2000, 2):
        missing = MissingTurn(stream_id=STREAM, first=sequence + 1, last=sequence + 1)
        for given in (segment(sequence, {0: 0.01}), missing):
            state, _ = advance(state, given, POLICIES)

    assert len(json.dumps(state.to_json())) < 20_000


def test_nothing_is_folded_after_the_end() -> None:
    state, _ = advance(StreamState.new(STREAM), EndTurn(stream_id=STREAM, path="s"), POLICIES)

    with pytest.raises(ValueError, match="stream s: ended"):
        advance(state, segment(0, QUIET), POLICIES)
