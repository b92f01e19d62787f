"""Whoever sees media of an incident is in the audit log before the first byte."""

from __future__ import annotations

import asyncio

import pytest

from scanner.errors import TransientError
from scanner.intake.auditing import AuditWriter
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.database import Journal
from scanner.store.sessions import Sessions
from tests.console.people import Browser, sign_in
from tests.delivery.rows import add_revisions
from tests.intake.conftest import RunningService, wait_for
from tests.intake.evidence_rows import add_piece, publish_event
from tests.store.conftest import FakeClock

CLIP = "/v1/incidents/ab/clip?piece="


@pytest.fixture(scope="module")
def filled(service: RunningService) -> RunningService:
    """Return a service with an incident that has a clip, a sheet and a poster."""
    add_revisions(service.journal, ["opened"], incident_id="ab")
    for piece in ("clip-1", "sheet", "poster-1"):
        path = service.objects.path(f"evidence/ab/{piece}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
        add_piece(service.journal, "ab", piece, status="cut", stored=f"evidence/ab/{piece}.mp4")
    return service


def actions(service: RunningService, user_id: str) -> list[tuple[str, object]]:
    found = AuditLog(service.journal).entries(actor=user_id, subject="ab")
    return [(one.action, one.details.get("piece")) for one in found][::-1]


def test_a_clip_that_is_played_in_parts_is_one_entry_and_a_poster_none(
    filled: RunningService,
) -> None:
    person = sign_in(filled)
    for part in ("bytes=0-3", "bytes=4-", "bytes=0-"):
        answer = person.send("GET", CLIP + "clip-1", {"Range": part})
        assert answer.status_code == 206
    assert person.get(CLIP + "sheet").status_code == 200
    assert person.get(CLIP + "poster-1").status_code == 200

    wanted = [("play", "clip-1"), ("view", "sheet")]
    assert actions(filled, person.user.user_id) == wanted


def test_an_incident_that_a_person_reads_by_the_api_is_a_view(filled: RunningService) -> None:
    ann = sign_in(filled)
    for _ in range(2):
        assert ann.get("/v1/incidents/ab").status_code == 200

    (entry,) = AuditLog(filled.journal).entries(actor=ann.user.user_id)
    assert (entry.action, entry.subject) == ("view", "ab")


def test_two_people_are_two_entries(filled: RunningService) -> None:
    one, other = sign_in(filled), sign_in(filled)
    for person in (one, other):
        person.get(CLIP + "clip-1")

    assert actions(filled, one.user.user_id) == actions(filled, other.user.user_id)
    assert len(actions(filled, one.user.user_id)) == 1


def test_who_may_not_see_it_is_no_viewer(filled: RunningService) -> None:
    blind = sign_in(filled, hidden_categories={"hazard"})

    assert blind.get(CLIP + "clip-1").status_code == 404
    wait_for(lambda: Browser(filled).get(CLIP + "clip-1").status_code == 401)
    assert actions(filled, blind.user.user_id) == []


def test_events_leave_out_what_a_reader_may_not_see(filled: RunningService) -> None:
    hidden = {"id": "ab", "channel": None, "category": "hazard"}
    publish_event(filled.journal, 1, "incident.opened", hidden)
    publish_event(filled.journal, 2, "decision.made", {"item": hidden})
    publish_event(filled.journal, 3, "incident.opened", {**hidden, "category": "weapons"})
    blind = sign_in(filled, hidden_categories={"hazard"})
    headers = {**blind._headers, "Last-Event-ID": "0"}

    with filled.client.stream("GET", "/v1/events", headers=headers) as answer:
        numbers = (line for line in answer.iter_lines() if line.startswith("id:"))
        assert [next(numbers), next(numbers)] == ["id: 0", "id: 3"]


def test_events_end_with_the_session(
    filled: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.intake.events.SESSION_SECONDS", 0.0)
    person = sign_in(filled)

    with filled.client.stream("GET", "/v1/events", headers=person._headers) as answer:
        Sessions(filled.journal).end_all(person.user.user_id)
        assert answer.status_code == 200
        list(answer.iter_lines())
    assert person.get("/v1/incidents").status_code == 401


def test_without_its_entry_nothing_is_answered(journal: Journal) -> None:
    class FullLog(AuditLog):
        def append(self, entries: object) -> None:
            raise TransientError("journal: full")

    async def view() -> None:
        writer = AuditWriter(FullLog(journal))
        entry = AuditEntry(actor="u", action="view", subject="ab")
        try:
            for _ in range(2):  # what failed is not taken for written
                with pytest.raises(TransientError):
                    await writer.append_view(entry, "clip-1")
        finally:
            writer.close()

    asyncio.run(view())


def test_entries_of_one_moment_are_written_together(journal: Journal) -> None:
    groups = []

    class CountingLog(AuditLog):
        def append(self, entries: list[AuditEntry]) -> None:
            groups.append(len(entries))
            super().append(entries)

    async def view() -> None:
        writer = AuditWriter(CountingLog(journal))
        entries = [AuditEntry(actor=f"u{n}", action="view", subject="ab") for n in range(20)]
        await asyncio.gather(*(writer.append(one) for one in entries))
        writer.close()

    asyncio.run(view())

    assert sum(groups) == 20
    assert len(groups) <= 2


def test_a_view_after_a_minute_is_another_entry(journal: Journal, wall_clock: FakeClock) -> None:
    async def view() -> None:
        writer = AuditWriter(AuditLog(journal), clock=wall_clock)
        entry = AuditEntry(actor="u", action="play", subject="ab")
        for _ in range(4):
            await writer.append_view(entry, "clip-1")
            wall_clock.time += 40
        writer.close()

    asyncio.run(view())

    assert len(AuditLog(journal).entries()) == 2
