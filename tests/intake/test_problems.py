"""Errors are those of one table, in the documentation and in the OpenAPI document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scanner.intake import committer
from scanner.intake.problems import PROBLEMS
from scanner.store.database import JournalBusyError, JournalFullError
from scanner.store.queries import Queries
from tests.intake.build import TS
from tests.intake.conftest import RunningService
from tests.intake.test_segments import problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "service.md"


def test_every_error_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.+?) \| (yes)? ?\|$", PAGE.read_text(), re.M)

    assert rows == [
        (one.name, str(one.status), one.title, "yes" if one.retryable else "")
        for one in sorted(PROBLEMS.values(), key=lambda one: one.status)
    ]


def test_the_openapi_document_has_every_path_and_its_errors(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()

    documented = re.findall(r"`(GET|PUT|POST|DELETE) (/[^`]*)`", PAGE.read_text())
    assert {(verb.lower(), path) for verb, path in documented} == {
        (verb, path) for path, verbs in document["paths"].items() for verb in verbs
    }
    put = document["paths"]["/v1/streams/{stream_id}/segments/{sequence}"]["put"]
    assert {"200", "202", "409", "413", "422", "429", "507"} <= put["responses"].keys()
    assert "ProblemDocument" in document["components"]["schemas"]


def test_an_unknown_path_and_an_unknown_method_are_errors_of_the_table(
    service: RunningService,
) -> None:
    assert problem(service.client.get("/v1/nothing")) == "not_found"
    answer = service.client.delete("/v1/streams")
    assert (problem(answer), answer.headers["allow"]) == ("method_not_allowed", "GET")


def test_the_sender_may_name_its_request(service: RunningService) -> None:
    own = service.client.get("/v1/nothing", headers={"X-Request-ID": "abc-1"})
    harmful = service.client.get("/v1/nothing", headers={"X-Request-ID": "a b"})

    assert own.json()["request_id"] == "abc-1"
    assert harmful.json()["request_id"] != "a b"


def test_a_journal_that_is_locked_is_answered_503_and_a_defect_500(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def locked(*_: object) -> None:
        raise JournalBusyError("journal: database is locked")

    def broken(*_: object) -> None:
        raise RuntimeError("something secret")

    monkeypatch.setattr(Queries, "segment", locked)
    busy = service.client.get("/v1/streams/s/segments/0")
    monkeypatch.setattr(Queries, "segment", broken)
    defect = service.client.get("/v1/streams/s/segments/0")

    assert (busy.status_code, problem(busy)) == (503, "journal_busy")
    assert busy.headers["retry-after"] == "1"
    assert (defect.status_code, problem(defect)) == (500, "internal")
    assert "secret" not in defect.text
    assert "something secret" in capfd.readouterr().err


def test_a_full_journal_is_answered_507(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise JournalFullError("journal: database or disk is full")

    monkeypatch.setattr(committer, "commit_rows", full)
    answer = service.client.put("/v1/streams/full/segments/0", content=TS)

    assert (answer.status_code, problem(answer)) == (507, "disk_full")


def test_every_error_of_the_table_is_reached_by_a_test() -> None:
    folders = (Path(__file__).parent, Path(__file__).parent.parent / "console")
    tests = "".join(path.read_text() for one in folders for path in one.glob("test_*.py"))
    bodies = tests.replace("ProblemType(", "")

    assert [name for name in PROBLEMS if f'"{name}"' not in bodies] == []


def test_an_address_names_all_its_methods(service: RunningService) -> None:
    answer = service.client.delete("/v1/streams/s")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")
