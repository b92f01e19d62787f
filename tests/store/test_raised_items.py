"""Items of incidents whose severity was raised: their place in the queue, and what brings them
back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from sqlalchemy import select, update

from scanner.risk.incident import Escalation, Incident
from scanner.store.database import Journal
from scanner.store.queueing import queue_incident
from scanner.store.review_schema import reviews
from tests.delivery.rows import incident

STEP = Escalation(at=Fraction(600), rule="lasted", reason="it has lasted 10 minutes")


def raised(severity: int, base: int) -> Incident:
    return replace(incident(revision=2), severity=severity, base_severity=base, escalation=(STEP,))


def put(journal: Journal, one: Incident) -> Any:
    with journal.write() as connection:
        queue_incident(connection, one, shard=0, channel="c", now=journal.now())
        return connection.execute(select(reviews)).one()


def decide(journal: Journal, severity: int) -> None:
    with journal.write() as connection:
        connection.execute(
            update(reviews).values(
                state="decided", verdict="no_violation", decided_severity=severity
            )
        )


def test_an_item_moves_up_the_queue_when_its_severity_rises(journal: Journal) -> None:
    before = put(journal, replace(incident(), severity=1, base_severity=1))

    after = put(journal, raised(2, base=1))

    assert (before.severity, after.severity) == (1, 2)
    assert after.rank < before.rank


def test_a_decided_item_comes_back_for_a_worse_label_and_not_for_its_escalation(
    journal: Journal,
) -> None:
    put(journal, replace(incident(), severity=1, base_severity=1))
    decide(journal, 1)

    assert put(journal, raised(2, base=1)).state == "decided"
    worse = put(journal, raised(3, base=2))
    assert (worse.state, worse.returned) == ("waiting", "grew")
