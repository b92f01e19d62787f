"""``streamwarden deliveries`` lists what was given up and sends it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scanner.cli.app import run
from scanner.cli.status import Status
from scanner.store.audit import AuditLog
from scanner.store.database import Journal
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import EffectJournal, SettledEffect
from scanner.store.reviews import NewDecision, ReviewJournal
from tests.delivery.loopback import SECRET
from tests.delivery.rows import add_revisions, statuses


@pytest.fixture
def dead(journal: Journal) -> None:
    """Let two revisions to two receivers be dead."""
    effects = EffectJournal(journal)
    effects.register_sinks({"hook": "1", "other": "1"})
    add_revisions(journal, ["opened", "closed"], sinks=("hook", "other"))
    for sink in ("hook", "hook", "other"):
        (due,) = effects.due(sink, limit=1)
        effects.settle([SettledEffect(effect=due, status="dead", next_at=0, error="503")], None)


def test_dead_webhooks_are_listed_with_their_reason(
    dead: None, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deliveries", "list", "--json", "--sink", "hook", "--data", str(data)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted((row["revision"], row["sink"], row["error"]) for row in rows) == [
        (1, "hook", "503"),
        (2, "hook", "503"),
    ]


def test_dead_webhooks_are_pending_again(dead: None, journal: Journal, data: Path) -> None:
    assert run(["deliveries", "retry", "5f1e", "--sink", "hook", "--data", str(data)]) == 0
    assert statuses(journal) == [(1, "pending"), (2, "pending")]
    assert statuses(journal, "other") == [(1, "dead"), (2, "pending")]
    assert run(["deliveries", "retry", "--all", "--data", str(data)]) == 0
    assert statuses(journal, "other") == [(1, "pending"), (2, "pending")]


@pytest.fixture
def dead_decision(journal: Journal) -> str:
    """Let a decision to one receiver be dead; return its id."""
    add_revisions(journal, ["opened"], incident_id="ab", sinks=())
    ann = NewDecision(verdict="violation", person="ann", reviewer="0a1b")
    made = ReviewJournal(journal, sinks=("hook",)).decide("ab", ann)
    effects = DecisionEffects(journal)
    (due,) = effects.due("hook", limit=1)
    effects.settle([SettledEffect(effect=due, status="dead", next_at=0, error="503")], None)
    return made.decision_id


def test_dead_decisions_are_listed_beside_incidents_and_sent_again(
    dead: None,
    dead_decision: str,
    journal: Journal,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "settings.toml"
    hook = '[service.webhooks.hook]\nurl = "https://hook.example/"\nsecret = "%s"\n'
    config.write_text(hook % SECRET)
    where = ["--data", str(data), "--config", str(config)]
    assert run(["deliveries", "list", "--json", "--sink", "hook", *where]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 3
    (row,) = (row for row in rows if "decision" in row)
    named = (row["incident"], row["decision"], row["kind"], row["error"])
    assert named == ("ab", dead_decision, "made", "503")

    assert run(["deliveries", "retry", "ab", *where]) == 0
    assert "1 to be sent again" in capsys.readouterr().err
    assert DecisionEffects(journal).list_dead() == ()
    (entry,) = AuditLog(journal).entries(action="delivery_retried")
    assert entry.subject == "ab"


def test_what_is_to_be_sent_again_has_to_be_named(
    data: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deliveries", "retry", "--data", str(data)]) == Status.WRONG
    assert "--all" in capsys.readouterr().err
