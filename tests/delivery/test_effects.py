"""Effects of one incident go to one receiver in order, and none is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.store.conditions import AlarmJournal
from scanner.store.database import Journal
from scanner.store.effects import DueEffect, EffectJournal, SettledEffect, write_sink
from tests.delivery.rows import add_revisions, statuses
from tests.store.conftest import FakeClock


@pytest.fixture
def effects(journal: Journal) -> EffectJournal:
    effects = EffectJournal(journal)
    effects.register_sinks({"hook": "1", "other": "1"})
    return effects


def take(effects: EffectJournal, sink: str = "hook") -> list[int]:
    return [one.revision for one in effects.due(sink, limit=10)]


def settle(effects: EffectJournal, status: str, *, next_at: float = 0.0) -> None:
    (due,) = effects.due("hook", limit=1)
    effects.settle([SettledEffect(effect=due, status=status, next_at=next_at)], None)


def test_a_revision_waits_for_the_one_before_it(journal: Journal, effects: EffectJournal) -> None:
    add_revisions(journal, ["opened", "closed"])
    assert take(effects) == [1]
    settle(effects, "delivered")
    assert take(effects) == [2]
    settle(effects, "delivered")
    assert take(effects) == []
    assert statuses(journal) == [(1, "delivered"), (2, "delivered")]


def test_a_revision_waits_even_while_the_one_before_it_is_not_to_be_tried_yet(
    journal: Journal, effects: EffectJournal, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["opened", "closed"])
    settle(effects, "pending", next_at=wall_clock.time + 100)
    assert take(effects) == []
    wall_clock.time += 101
    assert take(effects) == [1]


def test_only_extended_revisions_with_a_later_one_are_skipped(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened", "extended", "extended", "closed"])
    assert take(effects) == [1]
    assert statuses(journal) == [(1, "pending"), (2, "skipped"), (3, "skipped"), (4, "pending")]


def test_a_failed_extended_revision_gives_way_to_a_later_one(
    journal: Journal, effects: EffectJournal, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["extended"], first=2)
    settle(effects, "pending", next_at=wall_clock.time + 1000)
    add_revisions(journal, ["extended"], first=3)
    assert take(effects) == [3]


def test_a_dead_revision_holds_no_later_one_back_and_can_be_sent_again(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened", "closed"])
    settle(effects, "dead")
    assert take(effects) == [2]
    assert [one.revision for one in effects.list_dead()] == [1]
    assert effects.list_dead(sink="other") == ()
    assert effects.retry_dead(incident_id="5f1e", sink="hook") == 1
    assert take(effects) == [1]


def test_receivers_do_not_wait_for_each_other(journal: Journal, effects: EffectJournal) -> None:
    add_revisions(journal, ["opened", "closed"], sinks=("hook", "other"))
    settle(effects, "delivered")
    assert take(effects, "hook") == [2]
    assert take(effects, "other") == [1]


def test_incidents_do_not_wait_for_each_other(
    journal: Journal, effects: EffectJournal, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["opened", "closed"], incident_id="a")
    settle(effects, "pending", next_at=wall_clock.time + 1000)
    add_revisions(journal, ["opened"], incident_id="b", stream_id="t")
    assert [one.incident_id for one in effects.due("hook", limit=10)] == ["b"]


def test_shadow_incidents_have_no_effects(journal: Journal) -> None:
    add_revisions(journal, ["opened", "closed"], shadow=True)
    assert statuses(journal) == []


def test_what_is_pending_for_a_receiver_that_was_removed_is_dead_and_listed(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened"])
    effects.register_sinks({"other": "1"})
    assert statuses(journal) == [(1, "dead")]
    assert [one.error for one in effects.list_dead()] == ["its receiver is not in the settings"]


def test_a_receiver_that_was_removed_while_it_failed_raises_no_alarm_any_more(
    journal: Journal, effects: EffectJournal
) -> None:
    failing = replace(effects.sink_state("hook"), failing_since=1.0, failures=3)
    with journal.write() as connection:
        write_sink(connection, failing)
    assert [one.sink for one in AlarmJournal(journal).failing_sinks()] == ["hook"]
    effects.register_sinks({"other": "1"})
    assert AlarmJournal(journal).failing_sinks() == ()
    assert AlarmJournal(journal).pending_by_sink() == {"other": 0}


def test_what_a_removed_receiver_did_not_get_stays_listed_until_it_is_in_use_again(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened"])
    effects.register_sinks({"other": "1"})
    assert effects.retry_dead() == 0
    assert [one.revision for one in effects.list_dead()] == [1]
    effects.register_sinks({"hook": "1", "other": "1"})
    assert effects.retry_dead() == 1
    assert take(effects) == [1]


def test_with_new_settings_of_a_receiver_what_is_pending_for_it_is_due_at_once(
    journal: Journal, effects: EffectJournal, wall_clock: FakeClock
) -> None:
    add_revisions(journal, ["opened"], sinks=("hook", "other"))
    settle(effects, "pending", next_at=wall_clock.time + 86_400)
    effects.register_sinks({"hook": "1", "other": "1"})
    assert take(effects) == []
    effects.register_sinks({"hook": "2", "other": "1"})
    assert take(effects) == [1]


def test_an_effect_that_was_settled_is_not_settled_again(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened"])
    (due,) = effects.due("hook", limit=1)
    delivered = SettledEffect(effect=due, status="delivered", next_at=0.0)
    effects.settle([delivered], None)
    effects.settle([SettledEffect(effect=due, status="dead", next_at=0.0)], None)
    assert statuses(journal) == [(1, "delivered")]


def test_a_due_effect_has_the_incident_as_it_was_at_its_revision(
    journal: Journal, effects: EffectJournal
) -> None:
    add_revisions(journal, ["opened", "closed"])
    due: DueEffect = effects.due("hook", limit=1)[0]
    assert (due.kind, due.incident["revision"], due.incident["end"]) == ("opened", 1, None)
    assert due.channel == "c"
