"""A stream that is deleted while its evidence is planned or made leaves nothing behind."""

from __future__ import annotations

from fractions import Fraction

from sqlalchemy import delete, select

from scanner.risk.incident import Opened
from scanner.store.database import Journal
from scanner.store.evidence import EvidenceJournal, MadePiece, PlannedEvidence
from scanner.store.schema import evidence, incidents, published
from tests.delivery.rows import add_segments, add_turn, incident, segment_event
from tests.delivery.test_evidence import make_due, pieces


def delete_incidents(journal: Journal) -> None:
    with journal.write() as connection:
        connection.execute(delete(evidence))
        connection.execute(delete(incidents))


def test_a_clip_that_is_cut_meanwhile_leaves_no_row_and_no_event(journal: Journal) -> None:
    make_due(journal, "s")
    rows = EvidenceJournal(journal)
    clip = rows.next_due()
    assert clip is not None
    delete_incidents(journal)
    made = [MadePiece(piece=name, object=name, result={}) for name in ("clip-1", "poster-1")]
    rows.finish(clip, made, seconds=1.0)
    rows.fail(clip, reason="damaged", seconds=1.0)

    assert pieces(journal) == {}
    with journal.read() as connection:
        assert connection.execute(select(published)).all() == []


def test_a_plan_that_is_made_meanwhile_leaves_no_row(journal: Journal) -> None:
    add_segments(journal, "s", 1)
    noun = incident("of-s", stream_id="s")
    add_turn(journal, "s", 0, segment_event("s", 0), Opened(at=Fraction(2), incident=noun))
    rows = EvidenceJournal(journal)
    (waiting,) = rows.unplanned_incidents()
    delete_incidents(journal)
    sheet = {"sheet": {"incident": noun.to_json()}}
    plan = PlannedEvidence(incident=waiting, plan={}, next_turn=1, is_complete=True, due=sheet)
    rows.save_plans([plan])

    assert pieces(journal) == {}
