"""Errors are those of one table, in the documentation and in the OpenAPI document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

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


def test_the_openapi_document_names_operations_by_what_they_do(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()
    operations = [one for verbs in document["paths"].values() for one in verbs.values()]
    names = [one["operationId"] for one in operations]

    assert len(set(names)) == len(names)
    assert {"put_segment", "end_stream", "get_incident", "stream_events"} <= set(names)
    paths = [p for one in operations for p in one.get("parameters", ()) if p["in"] == "path"]
    assert not [one for one in paths if "anyOf" in one["schema"]]  # a path has no null


def test_every_json_body_has_an_example_that_is_valid(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]

    without = {name for name in body_schemas(document) if "examples" not in schemas[name]}
    invalid = {
        name: [
            *Draft202012Validator(
                {**schemas[name], "components": document["components"]}
            ).iter_errors(one)
        ]
        for name in body_schemas(document) - without
        for one in schemas[name]["examples"]
    }
    assert not without
    assert not {name for name, errors in invalid.items() if errors}
    assert len(invalid) > 8


def body_schemas(document: dict[str, Any]) -> set[str]:
    """Return the names of the schemas of all bodies of requests."""
    operations = [one for verbs in document["paths"].values() for one in verbs.values()]
    bodies = [one["requestBody"]["content"] for one in operations if "requestBody" in one]
    found = re.findall(
        r"schemas/(\w+)", json.dumps([one.get("application/json") for one in bodies])
    )
    return set(found)


@pytest.mark.parametrize(
    ("request_line", "sent", "said"),
    [
        ("PUT /v1/streams/a/segments/0?chanel=x", TS, "query.chanel: not known here; did you mean"),
        ("PUT /v1/streams/a/segments/0.ts", TS, "path.sequence: a whole number is wanted"),
        ("PUT /v1/streams/my%20stream/segments/0", TS, "path.stream_id: a name of 1 to 200"),
        ("POST /v1/streams/a/end", b"last=3", "body: a JSON object is wanted, with the header"),
        ("POST /v1/streams/a/end", b'{"last_sequence": "3"}', "last_sequence: a number is wanted"),
        ("POST /v1/streams/a/end", b'{"last": 3}', "body.last: not known here"),
        ("PUT /v1/streams/live%2Fa/segments/0", TS, "no such address; /openapi.json lists all"),
        ("DELETE /v1/streams/a", b"", "no DELETE here, but GET, PUT"),
        ("PUT /v1/streams/a/segments/0", b"#EXTM3U\n#EXT-X-VERSION:3\n", "a playlist; a media"),
    ],
)
def test_an_invalid_request_is_told_what_is_wanted(
    service: RunningService, request_line: str, sent: bytes, said: str
) -> None:
    method, url = request_line.split()
    headers = {"Content-Type": "application/json"} if sent.startswith(b"{") else {}
    answer = service.client.request(method, url, content=sent, headers=headers)

    assert problem(answer)
    assert said in answer.json()["detail"]


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
