from __future__ import annotations

from fractions import Fraction

from scanner.risk.incident import Extended, Opened, Reason
from scanner.risk.observation import Ended
from tests.risk.streams import (
    FIRE,
    GUN,
    HIGH,
    LOW,
    both,
    fold,
    incidents,
    kinds,
    policies,
    samples,
    seconds,
    two,
)

RULES = policies()


def test_overlapping_labels_are_one_incident_named_after_the_first_led_by_the_worst() -> None:
    stream = [both(HIGH, LOW if at < 10 else HIGH, at) for at in range(20)] + [
        both(LOW, LOW, at) for at in range(20, 60)
    ]

    opened, extended, *_, closed = fold(stream, two())[1]

    assert (opened.incident.label, opened.incident.labels) == (FIRE, (FIRE,))
    assert (extended.incident.label, extended.incident.labels) == (GUN, (FIRE, GUN))
    assert (extended.incident.category, extended.incident.severity) == ("violence", 3)
    assert opened.incident.id == extended.incident.id == closed.incident.id
    assert (closed.incident.end, closed.incident.reason) == (19, Reason.QUIET)


def test_the_peak_is_the_highest_risk_of_all_labels_and_all_times() -> None:
    stream = [both(0.98, 0.999 if 10 <= at < 14 else LOW, at) for at in range(20)]

    opened, *_, closed = fold([*stream, Ended(at=Fraction(20))], two())[1]

    assert closed.incident.peak > 5 * opened.incident.peak


def test_labels_that_open_together_are_one_event() -> None:
    events = fold([both(HIGH, HIGH, at) for at in range(5)], two())[1]

    assert [event.incident.labels for event in events] == [(GUN, FIRE)]


def test_an_incident_closes_with_the_last_of_its_labels() -> None:
    stream = [both(HIGH if at < 10 else LOW, HIGH, at) for at in range(60)]

    assert kinds(fold(stream, two())[1])[:1] == [Opened]
    assert incidents(fold(stream, two())[1]) == []


def test_shadow_and_live_never_merge() -> None:
    events = fold([both(HIGH, HIGH, at) for at in range(5)], two(shadow=True))[1]

    assert [(event.incident.labels, event.incident.shadow) for event in events] == [
        ((FIRE,), False),
        ((GUN,), True),
    ]


def test_an_open_incident_is_reported_again_every_thirty_seconds_while_it_grows() -> None:
    events = fold(samples(seconds(HIGH, 100)), RULES)[1]

    assert kinds(events) == [Opened, Extended, Extended, Extended]
    assert [event.at for event in events] == [
        Fraction(1, 2),
        Fraction(61, 2),
        Fraction(121, 2),
        Fraction(181, 2),
    ]
