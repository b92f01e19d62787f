"""Errors are those of one table, in the documentation and in the OpenAPI document."""

from __future__ import annotations

import re
from pathlib import Path

from scanner.intake.problems import PROBLEMS
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

    documented = re.findall(r"`(GET|PUT|POST) (/[^`]*)`", PAGE.read_text())
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
    assert problem(service.client.delete("/v1/streams")) == "method_not_allowed"


def test_the_sender_may_name_its_request(service: RunningService) -> None:
    own = service.client.get("/v1/nothing", headers={"X-Request-ID": "abc-1"})
    harmful = service.client.get("/v1/nothing", headers={"X-Request-ID": "a b"})

    assert own.json()["request_id"] == "abc-1"
    assert harmful.json()["request_id"] != "a b"
