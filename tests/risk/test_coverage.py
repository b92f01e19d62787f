from __future__ import annotations

import json
from fractions import Fraction
from itertools import chain

import pytest

from scanner.risk.coverage import Coverage
from scanner.risk.observation import Ended, Observation, Sampled
from scanner.types import Medium, Span, Unseen
from tests.risk.streams import LOW, fold, gap, policies, samples


def covered(*observations: Observation) -> Coverage:
    return fold(observations, policies())[0].coverage


def seen(start: float, end: float) -> Span:
    return Span(start=Fraction(start), end=Fraction(end))


def unseen(start: float, end: float, reason: str) -> Unseen:
    return Unseen(span=seen(start, end), reason=reason)


def end(at: float) -> Ended:
    return Ended(at=Fraction(at))


def test_a_sample_covers_back_to_the_one_before_it() -> None:
    assert covered(*samples([LOW] * 5)).recent == (seen(0, 2),)


def test_the_first_sample_covers_back_to_the_start_but_at_most_the_longest_gap() -> None:
    assert covered(*samples([LOW], start=1.5)).recent == (seen(0, 1.5),)
    assert covered(*samples([LOW], start=5)).recent == (unseen(0, 3, "between_samples"), seen(3, 5))


def test_a_hole_longer_than_the_longest_gap_is_unseen_between_samples() -> None:
    assert covered(*samples([LOW, LOW], step=5)).recent == (
        unseen(0, 3, "between_samples"),
        seen(3, 5),
    )


def test_a_gap_is_unseen_for_its_own_reason_and_no_later_sample_covers_it() -> None:
    found = covered(*samples([LOW] * 3), gap(1.5, 3, "undecodable"), *samples([LOW] * 2, start=3.5))

    assert found.recent == (seen(0, 1.5), unseen(1.5, 3, "undecodable"), seen(3, 4))
    assert dict(found.unseen) == {"undecodable": Fraction(3, 2)}


def test_what_was_accounted_for_before_a_gap_stays_as_it_was() -> None:
    assert covered(*samples([LOW] * 3), gap(0.5, 2, "undecodable")).recent == (
        seen(0, 1),
        unseen(1, 2, "undecodable"),
    )


def test_a_gap_inside_another_changes_nothing() -> None:
    assert covered(gap(1, 5), gap(2, 3, "undecodable")) == covered(gap(1, 5))


def test_between_two_gaps_without_a_sample_nothing_was_seen() -> None:
    assert covered(gap(0, 1), gap(2, 3)).recent == (
        unseen(0, 1, "missing"),
        unseen(1, 2, "between_samples"),
        unseen(2, 3, "missing"),
    )


@pytest.mark.parametrize(("at", "share"), [(1, 1.0), (3, 1.0), (4, 0.25)])
def test_the_tail_counts_as_seen_when_it_is_no_longer_than_the_longest_gap(
    at: int, share: float
) -> None:
    assert covered(*samples([LOW] * 3), end(at)).share(Fraction(at)) == share


def test_a_stream_without_samples_is_not_covered() -> None:
    assert covered(end(1)).share(Fraction(1)) == 0.0
    assert covered(end(0)).share(Fraction(0)) == 0.0


def test_one_picture_without_a_duration_is_covered() -> None:
    assert covered(*samples([LOW]), end(0)).share(Fraction(0)) == 1.0


def test_media_share_the_time_whose_medium_is_known() -> None:
    stream = [
        Sampled(at=Fraction(at), values={}, medium={Medium.CAMERA: 0.75, Medium.SCREEN: 0.25})
        for at in range(5)
    ]
    unknown = [Sampled(at=Fraction(5), values={})]

    assert covered(*stream, *unknown).medium_share == {Medium.CAMERA: 0.75, Medium.SCREEN: 0.25}
    assert covered(*unknown).medium_share == {}


def test_drained_spans_are_final_and_the_totals_stay() -> None:
    first = covered(*samples([LOW] * 3), gap(1, 2))

    rest, final = first.drain()

    assert final == (seen(0, 1),)
    assert rest.recent == (unseen(1, 2, "missing"),)
    assert (rest.seen, rest.unseen) == (first.seen, first.unseen)


def test_without_draining_coverage_keeps_its_totals_and_its_latest_spans() -> None:
    pieces: list[list[Observation]] = [
        [*samples([LOW, LOW], start=at, step=1), gap(at + 1, at + 2)] for at in range(0, 600, 2)
    ]

    found = covered(*chain.from_iterable(pieces))

    assert (found.seen, found.unseen["missing"]) == (300, 300)
    assert len(found.recent) == 256
    assert found.recent[-1] == unseen(599, 600, "missing")
    assert Coverage.from_json(json.loads(json.dumps(found.to_json()))) == found
