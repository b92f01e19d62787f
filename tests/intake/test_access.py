"""Keys are scoped to verbs and channels; without any, only this machine is served."""

from __future__ import annotations

import base64

import pytest
from starlette.datastructures import Headers

from scanner.errors import SetupError
from scanner.intake.access import Access
from scanner.intake.problems import Problem
from scanner.store.keys import ApiKeys
from tests.intake.build import TS
from tests.intake.conftest import RunningService, wait_for
from tests.intake.test_segments import problem

LOCAL = ("127.0.0.1", 4711)


@pytest.fixture(scope="module")
def keys(service: RunningService) -> dict[str, str]:
    """Secrets of keys of one service: everything, channel a only, reading only."""
    made = ApiKeys(service.journal)
    secrets = {
        "all": made.add("all", verbs=["ingest", "read"], channels=None),
        "a": made.add("a", verbs=["ingest", "read"], channels=["a"]),
        "reader": made.add("reader", verbs=["read"], channels=None),
    }
    wait_for(lambda: service.client.get("/v1/streams").status_code == 401)
    return secrets


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_without_a_key_nothing_is_answered_once_there_is_one(
    service: RunningService, keys: dict[str, str]
) -> None:
    answer = service.client.get("/v1/streams")

    assert (answer.status_code, problem(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize("secret", ["sw", "x", "sw_00000000_x", "sw_\xe4_x"])
def test_an_unknown_key_is_refused(
    service: RunningService, keys: dict[str, str], secret: str
) -> None:
    headers = {"Authorization": f"Bearer {secret}".encode("latin-1")}
    assert problem(service.client.get("/v1/streams", headers=headers)) == "unauthenticated"


def test_the_id_of_a_key_with_another_secret_is_refused(
    service: RunningService, keys: dict[str, str]
) -> None:
    forged = keys["all"][:-4] + "0000"

    assert service.client.get("/v1/streams", headers=bearer(forged)).status_code == 401


def test_a_key_is_taken_as_bearer_token_and_as_password(
    service: RunningService, keys: dict[str, str]
) -> None:
    password = base64.b64encode(f"anyone:{keys['all']}".encode()).decode()

    for headers in (bearer(keys["all"]), {"Authorization": f"Basic {password}"}):
        assert service.client.get("/v1/streams", headers=headers).status_code == 200
    broken = {"Authorization": "Basic !!!"}
    assert service.client.get("/v1/streams", headers=broken).status_code == 401


def test_a_key_for_reading_delivers_nothing(service: RunningService, keys: dict[str, str]) -> None:
    answer = service.client.put(
        "/v1/streams/r/segments/0", content=TS, headers=bearer(keys["reader"])
    )

    assert (answer.status_code, problem(answer)) == (403, "forbidden")


def test_a_key_of_one_channel_delivers_to_it_and_sees_nothing_else(
    service: RunningService, keys: dict[str, str]
) -> None:
    put, mine = service.client.put, bearer(keys["a"])
    put("/v1/streams/of-b/segments/0?channel=b", content=TS, headers=bearer(keys["all"]))

    own = put("/v1/streams/of-a/segments/0", content=TS, headers=mine)
    other = put("/v1/streams/new/segments/0?channel=b", content=TS, headers=mine)
    into = put("/v1/streams/of-b/segments/1", content=TS, headers=mine)

    assert (own.status_code, problem(other), problem(into)) == (202, "forbidden", "forbidden")
    seen = service.client.get("/v1/streams", headers=mine).json()["streams"]
    assert [(one["stream_id"], one["channel"]) for one in seen] == [("of-a", "a")]
    for path in ("streams/of-b", "streams/of-b/segments/0", "streams/of-b/risk", "channels/b"):
        assert service.client.get(f"/v1/{path}", headers=mine).status_code == 404


def test_a_revoked_key_is_refused_within_a_second(
    service: RunningService, keys: dict[str, str]
) -> None:
    made = ApiKeys(service.journal)
    secret = made.add("short", verbs=["read"], channels=None)
    wait_for(lambda: service.client.get("/v1/streams", headers=bearer(secret)).is_success)
    made.revoke("short")

    wait_for(lambda: service.client.get("/v1/streams", headers=bearer(secret)).is_client_error)


def test_health_needs_no_key(service: RunningService, keys: dict[str, str]) -> None:
    assert service.client.get("/healthz").status_code == 200


def test_two_valid_keys_never_have_one_name(service: RunningService, keys: dict[str, str]) -> None:
    made = ApiKeys(service.journal)
    with pytest.raises(SetupError, match="exists already"):
        made.add("all", verbs=["read"], channels=None)
    with pytest.raises(SetupError, match="verbs: write"):
        made.add("w", verbs=["write"], channels=None)
    with pytest.raises(SetupError, match="no valid one"):
        made.revoke("nobody")


def test_the_journal_has_no_secret(service: RunningService, keys: dict[str, str]) -> None:
    stored = repr(ApiKeys(service.journal).list_all())

    assert all(secret.split("_", 2)[2] not in stored for secret in keys.values())


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (("192.0.2.1", 1), {"host": "127.0.0.1"}),
        (LOCAL, {"host": "rebound.example"}),
        (LOCAL, {"host": "["}),
        (LOCAL, {"host": "localhost", "sec-fetch-site": "cross-site"}),
        (LOCAL, {}),
        (None, {"host": "localhost"}),
    ],
)
def test_without_keys_another_machine_and_another_site_are_refused(
    client: tuple[str, int] | None, headers: dict[str, str]
) -> None:
    with pytest.raises(Problem, match="unauthenticated"):
        Access([]).identify(Headers(headers), client)


@pytest.mark.parametrize(
    ("client", "host"),
    [(LOCAL, "localhost:8090"), (("::1", 1), "[::1]:8090"), (("::ffff:127.0.0.1", 1), "127.0.0.2")],
)
def test_without_keys_this_machine_may_do_everything(client: tuple[str, int], host: str) -> None:
    caller = Access([]).identify(Headers({"host": host}), client)

    assert caller.verbs == {"ingest", "read", "decide"}
