"""Leads delete streams on request, and hold them against deletion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.app import run
from scanner.store.audit import AuditLog
from scanner.store.people import Role
from scanner.store.removals import Removals
from tests.console.people import SignedIn, sign_in
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_segments import problem
from tests.store.test_removals import add_stream

WHY = {"reason": "asked for"}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[RunningService]:
    with run_service(tmp_path) as running:
        for name in ("a", "b"):
            add_stream(running.journal, name)
        add_stream(running.journal, "z", channel="other")
        yield running


def change(person: SignedIn, method: str, path: str, **more: Any) -> Any:
    return person.send(method, f"/v1/{path}", {"X-CSRF-Token": person.csrf}, **more)


def test_a_lead_asks_for_the_deletion_of_a_stream_and_of_a_channel(
    filled: RunningService,
) -> None:
    lead = sign_in(filled, Role.LEAD)

    one = change(lead, "POST", "streams/z/removal", json=WHY)
    all_of = change(lead, "POST", "channels/c/removal", json=WHY)

    assert (one.status_code, all_of.status_code) == (202, 202)
    assert [each["stream_id"] for each in one.json()["removals"]] == ["z"]
    assert {each["stream_id"] for each in all_of.json()["removals"]} == {"a", "b"}
    assert len(lead.get("/v1/removals").json()["removals"]) == 3
    entries = AuditLog(filled.journal).entries(action="removal_requested")
    assert {entry.subject for entry in entries} == {"a", "b", "z"}
    assert problem(change(lead, "POST", "streams/none/removal", json=WHY)) == "not_found"
    assert problem(change(lead, "POST", "channels/none/removal", json=WHY)) == "not_found"
    assert change(lead, "POST", "streams/a/removal", json={"reason": ""}).status_code == 422


def test_a_hold_is_set_lifted_and_in_the_audit_log(filled: RunningService) -> None:
    lead = sign_in(filled, Role.LEAD)
    change(lead, "PUT", "holds/channel/c", json=WHY)

    refused = change(lead, "POST", "streams/a/removal", json=WHY)
    assert problem(refused) == "held"
    assert lead.get("/v1/holds").json()["holds"][0]["name"] == "c"
    assert change(lead, "DELETE", "holds/channel/c").json() == {"holds": []}
    assert problem(change(lead, "DELETE", "holds/channel/c")) == "not_found"
    assert change(lead, "POST", "streams/a/removal", json=WHY).status_code == 202
    actions = [entry.action for entry in AuditLog(filled.journal).entries(subject="c")]
    assert actions == ["hold_lifted", "hold"]


def test_a_lead_of_one_channel_holds_lifts_and_lists_what_is_of_that_channel(
    filled: RunningService,
) -> None:
    whole, other = sign_in(filled, Role.LEAD), sign_in(filled, Role.LEAD, channels={"other"})
    for path in ("channel/c", "stream/a", "stream/z"):
        change(whole, "PUT", f"holds/{path}", json=WHY)
    for path in ("channel/c", "stream/a", "stream/never-seen"):
        assert problem(change(other, "PUT", f"holds/{path}", json=WHY)) == "not_found"
        assert problem(change(other, "DELETE", f"holds/{path}")) == "not_found"
    assert [one["name"] for one in other.get("/v1/holds").json()["holds"]] == ["z"]
    assert len(whole.get("/v1/holds").json()["holds"]) == 3

    assert change(other, "DELETE", "holds/stream/z").status_code == 200
    change(other, "POST", "streams/z/removal", json=WHY)
    change(whole, "DELETE", "holds/stream/a")
    change(whole, "DELETE", "holds/channel/c")
    change(whole, "POST", "streams/a/removal", json=WHY)
    listed = other.get("/v1/removals").json()["removals"]
    assert [one["stream_id"] for one in listed] == ["z"]


def test_a_lead_of_another_channel_deletes_nothing(filled: RunningService) -> None:
    lead = sign_in(filled, Role.LEAD, channels={"other"})

    assert problem(change(lead, "POST", "streams/a/removal", json=WHY)) == "not_found"
    assert problem(change(lead, "POST", "channels/c/removal", json=WHY)) == "not_found"
    assert Removals(filled.journal).list_all() == []


def test_the_command_does_the_same(
    filled: RunningService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(tmp_path))
    why = ["--reason", "asked for"]

    assert run(["records", "hold", "stream", "a", *why]) == 0
    assert run(["records", "remove", "channel", "c", *why]) == 2
    assert "stream a: is on hold" in capsys.readouterr().err
    assert run(["records", "lift", "stream", "a"]) == 0
    assert run(["records", "remove", "channel", "c", *why]) == 0
    assert run(["records", "remove", "stream", "none", *why]) == 2
    capsys.readouterr()
    assert run(["records", "list", "--json"]) == 0
    assert capsys.readouterr().out.count('"type": "removal"') == 2
