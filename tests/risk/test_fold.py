from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.risk.fold import fold_observation
from scanner.risk.incident import Closed, Extended, Opened, Reason
from scanner.risk.observation import Ended, Sampled
from scanner.risk.policy import Policies
from scanner.stream.clock import Clock, place
from scanner.types import SegmentTimes
from tests.risk.streams import (
    FIRE,
    GUN,
    HIGH,
    LOW,
    both,
    fold,
    gap,
    incidents,
    kinds,
    new,
    policies,
    quick,
    sampled_streams,
    samples,
    seconds,
    time_passes,
    two,
)

RULES = policies()


# Opening


def test_an_incident_opens_once_the_score_lasted_for_the_floor_and_starts_where_it_began() -> None:
    events = fold(samples(seconds(LOW, 5) + seconds(HIGH, 5)), RULES)[1]

    assert kinds(events) == [Opened]
    assert (events[0].incident.start, events[0].incident.opened) == (5, 7)


def test_seconds_in_pieces_count_together_inside_the_window() -> None:
    pieces = seconds(LOW, 2) + seconds(HIGH, 1) + seconds(LOW, 4) + seconds(HIGH, 2)

    assert fold(samples(pieces), RULES)[1][0].incident.start == 2


def test_one_sample_is_never_enough() -> None:
    assert fold(samples([HIGH], step=2), RULES)[1] == []
    assert kinds(fold(samples([HIGH, HIGH], step=2), RULES)[1]) == [Opened]


def test_a_floor_of_zero_opens_at_the_first_sample() -> None:
    assert kinds(fold(samples([HIGH]), policies(dwell=Fraction(0)))[1]) == [Opened]


def test_a_floor_of_zero_opens_at_a_sample_directly_after_a_gap() -> None:
    assert kinds(fold([gap(0, 4), *samples([HIGH], start=4)], policies(dwell=Fraction(0)))[1]) == [
        Opened
    ]


def test_the_training_prior_is_subtracted() -> None:
    stream = samples([0.9] * 10)

    assert fold(stream, policies(training_prior=0.1, open=4.0))[1] != []
    assert fold(stream, policies(training_prior=0.5, open=4.0))[1] == []


def test_seconds_of_a_gap_are_no_evidence() -> None:
    after_a_hole = [*samples([LOW]), *samples([HIGH, HIGH], start=4)]
    after_a_gap = [*samples([LOW]), gap(0, 4), *samples([HIGH, HIGH], start=4)]

    assert kinds(fold(after_a_hole, RULES)[1]) == [Opened]
    assert fold(after_a_gap, RULES)[1] == []


def test_a_sample_inside_a_gap_counts_and_covers_nothing() -> None:
    risk, events = fold([*samples([LOW]), gap(0.5, 4.5), *samples([HIGH] * 5, start=4)], RULES)

    assert events == []
    assert risk.at == 6
    assert risk.coverage.unseen == {"missing": 4}
    assert kinds(fold([gap(0, 4), *samples([HIGH], start=3)], policies(dwell=Fraction(0)))[1]) == [
        Opened
    ]


def test_a_label_without_a_policy_is_ignored() -> None:
    risk, events = fold([both(LOW, HIGH, at) for at in range(10)], RULES)

    assert list(risk.labels) == [FIRE]
    assert events == []


# Closing


def test_an_incident_survives_a_dip_between_the_levels() -> None:
    dip = 0.93  # logit 2.6, between 2.2 and 3.2

    assert kinds(fold(samples(seconds(HIGH, 5) + seconds(dip, 60)), RULES)[1])[-1] is Extended


def test_an_incident_closes_as_quiet_after_ten_seen_seconds_and_ends_where_last_seen() -> None:
    opened, closed = fold(samples(seconds(HIGH, 5) + seconds(LOW, 30)), RULES)[1]

    assert (opened.incident.start, closed.incident.end, closed.incident.reason) == (
        0,
        Fraction(9, 2),
        Reason.QUIET,
    )
    assert closed.at == 24  # at 14.5 s fewer than 2.5 of the last 12 seconds were high


def test_a_return_above_the_closing_level_resets_the_low_time() -> None:
    relapse = seconds(HIGH, 5) + seconds(LOW, 15) + seconds(HIGH, 3) + seconds(LOW, 13)

    assert kinds(fold(samples(relapse), RULES)[1]) == [Opened]


def test_unseen_time_does_not_close_as_quiet() -> None:
    quiet_for_nine = samples(seconds(HIGH, 5) + seconds(LOW, 9.5 + 9))

    events = fold([*quiet_for_nine, gap(23, 40)], RULES)[1]

    assert kinds(events) == [Opened]
    assert (
        incidents(
            fold([*quiet_for_nine, gap(23, 40), *samples(seconds(LOW, 5), start=40)], RULES)[1]
        )[0].reason
        is Reason.QUIET
    )


@pytest.mark.parametrize(
    "later", [gap(4.5, 34.5), time_passes(Fraction(69, 2)), *samples([LOW], start=36.5)]
)
def test_an_incident_ends_as_unseen_after_thirty_unseen_seconds(later: Sampled) -> None:
    events = fold([*samples(seconds(HIGH, 5)), later], RULES)[1]

    assert [(i.end, i.reason) for i in incidents(events)] == [(Fraction(9, 2), Reason.UNSEEN)]


def test_the_seconds_that_a_sample_covers_are_not_unseen() -> None:
    assert incidents(fold([*samples(seconds(HIGH, 5)), *samples([LOW], start=36)], RULES)[1]) == []


def test_an_incident_survives_less_unseen_time() -> None:
    assert kinds(fold([*samples(seconds(HIGH, 5)), time_passes(34)], RULES)[1]) == [Opened]


def test_after_unseen_time_the_evidence_starts_anew() -> None:
    events = fold(
        [*samples(seconds(HIGH, 5)), time_passes(60), *samples([HIGH] * 6, start=60)], RULES
    )[1]

    assert kinds(events) == [Opened, Closed, Opened]
    assert events[0].incident.id != events[2].incident.id


def test_a_level_below_the_prior_is_reset_when_its_window_is_unseen() -> None:
    risk = fold(samples(seconds(LOW, 5)), RULES)[0]

    later = fold_observation(risk, time_passes(20), RULES)[0]

    assert risk.risks(RULES)[FIRE] < 1 / 1000
    assert later.risks(RULES)[FIRE] == pytest.approx(1 / 360)


def test_an_incident_that_the_last_sample_supports_lasts_to_the_streams_end() -> None:
    events = fold([*samples(seconds(HIGH, 5)), Ended(at=Fraction(6))], RULES)[1]

    assert [(i.end, i.reason) for i in incidents(events)] == [(6, Reason.ENDED)]


def test_an_incident_that_the_last_sample_does_not_support_ends_before_the_streams_end() -> None:
    events = fold([*samples(seconds(HIGH, 5) + seconds(LOW, 2)), Ended(at=Fraction(7))], RULES)[1]

    assert [(i.end, i.reason) for i in incidents(events)] == [(Fraction(9, 2), Reason.ENDED)]


def test_an_incident_whose_policy_is_withdrawn_ends() -> None:
    risk = fold(samples(seconds(HIGH, 5)), RULES)[0]

    risk, events = fold_observation(risk, time_passes(5), Policies(labels={}))

    assert [i.reason for i in incidents(list(events))] == [Reason.WITHDRAWN]
    assert risk.labels == {}


def test_another_method_starts_anew_and_keeps_the_incident() -> None:
    risk = fold(samples(seconds(HIGH, 5)), RULES)[0]

    risk, events = fold(samples([LOW], start=5), policies("median"), risk)

    assert events == []
    assert len(risk.incidents) == 1


# Streams shorter than the floor


def test_in_a_stream_shorter_than_the_floor_its_samples_suffice() -> None:
    short = [*samples([HIGH, HIGH], step=0.25), Ended(at=Fraction(1, 2))]

    events = fold(short, RULES)[1]

    assert kinds(events) == [Opened, Closed]
    assert (events[0].incident.start, events[0].incident.opened, events[1].incident.end) == (
        0,
        Fraction(1, 4),
        Fraction(1, 2),
    )


def test_a_short_stream_needs_two_samples_and_all_of_them_high() -> None:
    assert fold([*samples([HIGH]), Ended(at=Fraction(1))], RULES)[1] == []
    assert fold([*samples([HIGH, LOW], step=0.25), Ended(at=Fraction(1, 2))], RULES)[1] == []


def test_a_longer_stream_of_which_too_little_was_seen_stays_unknown() -> None:
    risk, events = fold(
        [*samples([HIGH, HIGH], step=0.25), gap(0.25, 20), Ended(at=Fraction(20))], RULES
    )

    assert events == []
    assert risk.risks(RULES)[FIRE] == pytest.approx(1 / 360)


# Cutting into segments


@quick
@given(sampled_streams(), st.sets(st.integers(1, 30)))
def test_cutting_into_segments_changes_nothing(stream: list[Sampled], borders: set[int]) -> None:
    tick = Fraction(1, 115_200_000)
    edges = [0, *sorted(b for b in borders if b < len(stream)), len(stream)]
    clock, placed = Clock(), []
    for sequence, (begin, end) in enumerate(pairwise(edges)):
        part = stream[begin:end]
        first, last = (int(sampled.at / tick) for sampled in (part[0], part[-1]))
        times = SegmentTimes(
            first_pts=first, last_pts=last, duration=part[-1].at - part[0].at, time_base=tick
        )
        clock, offset = place(clock, times, sequence=sequence, discontinuity=False)
        placed += [
            Sampled(at=offset + s.at - part[0].at, values=s.values, medium=s.medium, cut=s.cut)
            for s in part
        ]

    assert fold(placed, two(open=1.0)) == fold(stream, two(open=1.0))


def test_a_segment_shorter_than_it_claims_does_not_delay_the_next_one() -> None:
    tick = Fraction(1, 1000)
    clock, first = place(
        Clock(),
        SegmentTimes(first_pts=0, last_pts=3000, duration=Fraction(5), time_base=tick),
        sequence=0,
        discontinuity=False,
    )
    _, second = place(
        clock,
        SegmentTimes(first_pts=4000, last_pts=8000, duration=Fraction(4), time_base=tick),
        sequence=1,
        discontinuity=False,
    )

    risk, _ = fold(
        [
            *samples([LOW] * 7, start=first),
            gap(3.5, 5, "undecodable"),
            *samples([LOW] * 9, start=second),
            Ended(at=Fraction(8)),
        ],
        RULES,
    )

    assert second == 4
    assert risk.coverage.unseen == {"undecodable": Fraction(3, 2)}


# State


def test_the_state_of_an_endless_stream_is_bounded() -> None:
    sizes = []
    risk = new()
    for begin in range(0, 400, 100):
        risk = fold(
            [both(HIGH if at % 40 < 5 else LOW, LOW, at) for at in range(begin, begin + 100)],
            two(),
            risk,
        )[0]
        sizes.append(len(json.dumps(risk.to_json())))

    assert max(sizes) < 1.2 * sizes[0]


def test_a_burst_at_the_time_of_a_frame_counts_for_labels_that_the_frame_has_not() -> None:
    frames = [Sampled(at=Fraction(at), values={GUN: LOW}) for at in range(6)]
    bursts = samples([HIGH] * 6, step=1, is_burst=True)
    mixed = [one for pair in zip(frames, bursts, strict=True) for one in pair]

    assert kinds(fold(mixed, policies())[1]) == [Opened]
    assert fold(mixed, policies())[0].labels == fold(bursts, policies())[0].labels


def test_a_burst_covers_nothing_by_itself() -> None:
    frames = samples([LOW] * 3, step=4)
    bursts = samples([LOW] * 16, step=Fraction(1, 2), is_burst=True)
    mixed = sorted([*frames, *bursts], key=lambda one: one.at)

    assert fold(mixed, policies())[0].coverage == fold(frames, policies())[0].coverage
