from __future__ import annotations

from fractions import Fraction

import pytest

from scanner.risk.escalation import add_past, in_words, trim_past
from scanner.risk.incident import Closed, Escalation, Extended, Incident, Opened, PastIncident
from scanner.risk.observation import Ended
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import StreamRisk
from scanner.types import StreamId
from tests.risk.streams import FIRE, GUN, HIGH, LOW, both, fold, incidents, new, samples, seconds

QUIET = seconds(LOW, 40)


def rules(**changes: object) -> Policies:
    values = {"severity": 1, "escalate_after": Fraction(60), "recurrence": 0, **changes}
    return Policies(labels={FIRE: Policy(category="hazard", **values)})  # type: ignore[arg-type]


def past(*ages: int, shadow: bool = False) -> tuple[PastIncident, ...]:
    return tuple(
        PastIncident(id=f"past{age}", opened=Fraction(-age), labels=(FIRE,), shadow=shadow)
        for age in ages
    )


def after(history: tuple[PastIncident, ...]) -> StreamRisk:
    return new().with_history(history)


def test_an_incident_that_lasts_is_one_more_severe_and_says_so_at_once() -> None:
    events = fold(samples(seconds(HIGH, 100)), rules(escalate_steps=1))[1]

    raised = next(event for event in events if event.incident.severity == 2)

    assert isinstance(raised, Extended)
    assert raised.at == 60
    assert raised.incident.base_severity == 1
    step = Escalation(at=Fraction(60), rule="lasted", reason="it has lasted 1 minute")
    assert raised.incident.escalation == (step,)


def test_each_further_period_is_a_step_until_the_steps_or_the_severities_end() -> None:
    stream = [*samples(seconds(HIGH, 400)), Ended(at=Fraction(400))]

    ends = [
        incidents(fold(stream, rules(escalate_steps=steps, severity=severity))[1])[0].severity
        for steps, severity in ((0, 1), (1, 1), (2, 1), (3, 1), (3, 2), (3, 0))
    ]

    assert ends == [1, 2, 3, 3, 3, 0]


def test_time_after_the_last_sample_that_supports_it_does_not_count() -> None:
    stream = [*samples(seconds(HIGH, 55)), *samples(QUIET, start=55), Ended(at=Fraction(95))]

    assert [one.severity for one in incidents(fold(stream, rules())[1])] == [1]


def test_the_third_incident_is_more_severe_and_a_pause_makes_it_the_first_again() -> None:
    once = [*seconds(HIGH, 10), *QUIET]
    recurring = rules(escalate_after=0, recurrence=3, cool_down=Fraction(200))
    risk, events = fold(samples(once * 3), recurring)

    found = incidents(events)
    assert [one.severity for one in found] == [1, 1, 2]
    assert found[2].escalation[0].reason == (
        "3 or more incidents with fire on this channel or stream within 24 hours"
    )
    later = incidents(fold(samples(once, start=risk.at + 300), recurring, risk)[1])
    assert [one.severity for one in later] == [1]


def test_incidents_of_other_streams_count_within_the_window_and_without_a_long_pause() -> None:
    recurring = rules(recurrence=3, cool_down=Fraction(100), recurrence_window=Fraction(150))
    opened = {
        ages: fold(samples(seconds(HIGH, 5)), recurring, after(past(*ages)))[1][0].incident.severity
        for ages in ((), (50,), (50, 140), (50, 151), (40, 141), (101, 149))
    }

    assert opened == {(): 1, (50,): 1, (50, 140): 2, (50, 151): 1, (40, 141): 1, (101, 149): 1}


def test_incidents_in_shadow_recur_among_themselves() -> None:
    recurring = rules(recurrence=2)

    opened = fold(samples(seconds(HIGH, 5)), recurring, after(past(50, shadow=True)))[1][0]

    assert opened.incident.severity == 1


def test_an_incident_of_several_labels_keeps_its_steps_when_a_worse_label_leads() -> None:
    labels = {
        FIRE: Policy(category="hazard", severity=1, escalate_after=Fraction(30)),
        GUN: Policy(category="violence", severity=2, escalate_after=Fraction(0)),
    }
    stream = [both(HIGH, LOW if at < 40 else HIGH, at) for at in range(60)]

    events = fold(stream, Policies(labels=labels))[1]

    assert [event.incident.severity for event in events if isinstance(event, Opened)] == [1]
    assert (events[-1].incident.label, events[-1].incident.severity) == (GUN, 3)
    assert events[-1].incident.base_severity == 2


def test_a_raised_incident_survives_json_and_one_that_is_not_has_the_keys_of_before() -> None:
    stream = [*samples(seconds(HIGH, 70)), Ended(at=Fraction(70))]
    raised = incidents(fold(stream, rules())[1])[0]
    plain = incidents(fold(stream, rules(escalate_after=0))[1])[0]

    assert Incident.from_json(raised.to_json()) == raised
    assert Incident.from_json(plain.to_json()) == plain
    assert raised.to_json().keys() - plain.to_json().keys() == {"base_severity", "escalation"}


def test_the_state_keeps_what_later_incidents_can_need_and_returns_from_json() -> None:
    once = [*seconds(HIGH, 10), *QUIET]
    risk, events = fold(samples(once * 6), rules(recurrence=3))

    assert len([event for event in events if isinstance(event, Closed)]) == 6
    assert len(risk.past) == 2
    assert StreamRisk.from_json(risk.to_json()) == risk
    old = {key: value for key, value in risk.to_json().items() if key != "past"}
    assert StreamRisk.from_json(old).past == ()


def test_an_incident_that_is_known_twice_counts_once() -> None:
    both_ways = add_past(past(50, 40), past(40, 30))

    assert [int(one.opened) for one in both_ways] == [-50, -40, -30]
    assert [int(one.opened) for one in trim_past(both_ways, of_label=2)] == [-40, -30]
    assert trim_past(both_ways, of_label=0) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"escalate_after": Fraction(-1)},
        {"recurrence": 1},
        {"recurrence": 33},
        {"recurrence_window": Fraction(0)},
        {"cool_down": Fraction(0)},
        {"escalate_steps": 4},
    ],
)
def test_a_policy_with_an_escalation_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        rules(**wrong)


def test_durations_are_told_in_words() -> None:
    told = [in_words(Fraction(value)) for value in (60, 5400, 7200, 45)]

    assert told == ["1 minute", "90 minutes", "2 hours", "45 seconds"]


def test_a_severity_below_that_of_the_label_is_refused() -> None:
    with pytest.raises(ValueError, match="below 2"):
        Incident(
            id="a",
            stream_id=StreamId("s"),
            label=FIRE,
            labels=(FIRE,),
            category="hazard",
            severity=1,
            base_severity=2,
            start=Fraction(0),
            opened=Fraction(0),
            peak=0.5,
        )
