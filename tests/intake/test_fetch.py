"""A segment that is named by URL is fetched before it is acknowledged, from where it may be."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from scanner.settings.service import QuotaSettings, ServiceSettings
from scanner.sources import http
from scanner.sources.addresses import is_public_address
from scanner.sources.resolving import HostAddress, Hosts
from tests.intake.build import PNG, TS
from tests.intake.conftest import RunningService, run_service
from tests.intake.test_segments import problem, stored
from tests.sources.loopback import Answer, Server, run_server
from tests.sources.test_addresses import NOT_PUBLIC


def _is_address(text: str) -> bool:
    """Return whether a text is an address that the system could connect to, without a zone."""
    try:
        return str(ip_address(text)) == text and text != "127.0.0.1"
    except ValueError:
        return False


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose operator allows any address."""
    folder = tmp_path_factory.mktemp("near")
    with run_service(folder, ServiceSettings(data=folder, fetch_addresses="any")) as running:
        yield running


@pytest.fixture
def origin() -> Iterator[Server]:
    with run_server() as server:
        yield server


def test_a_named_segment_is_fetched_once_and_then_known(
    near: RunningService, origin: Server
) -> None:
    origin.pages["/a.ts"] = Answer(TS)
    body = {"sequence": 0, "url": f"{origin.origin}/a.ts", "duration": "4"}

    first = near.client.post("/v1/streams/f/segments", json=body)
    signed = {**body, "url": f"{origin.origin}/a.ts?signature=2"}
    again = near.client.post("/v1/streams/f/segments", json=signed)
    other = near.client.post("/v1/streams/f/segments", json={**body, "discontinuity": True})

    assert (first.status_code, again.status_code, problem(other)) == (202, 200, "conflict")
    assert first.json()["sha256"] == again.json()["sha256"]
    assert origin.requests == [("/a.ts", None)]


def test_redirects_are_followed_to_a_limit(near: RunningService, origin: Server) -> None:
    origin.pages["/moved"] = Answer(status=302, headers={"Location": "/a.ts"})
    origin.pages["/a.ts"] = Answer(TS)
    origin.pages["/loop"] = Answer(status=302, headers={"Location": "/loop"})

    def post(sequence: int, path: str) -> httpx.Response:
        body = {"sequence": sequence, "url": f"{origin.origin}{path}"}
        return near.client.post("/v1/streams/moved/segments", json=body)

    assert post(0, "/moved").status_code == 202
    assert problem(post(1, "/loop")) == "url_refused"
    assert len([path for path, _ in origin.requests if path == "/loop"]) == 4


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Answer(status=404), "url_failed"),
        (Answer(status=503), "url_failed"),
        (Answer(TS, promised=10**6), "url_failed"),
        (Answer(b""), "unsupported_media"),
        (Answer(PNG), "unsupported_media"),
        (Answer(TS * 100), "too_large"),
        (Answer(status=302, headers={"Location": "file:///etc/passwd"}), "url_refused"),
        (Answer(status=302, headers={"Location": "http://"}), "url_refused"),
    ],
)
def test_what_cannot_be_fetched_is_told_and_leaves_nothing(
    near: RunningService, origin: Server, answer: Answer, name: str
) -> None:
    origin.pages["/x"] = answer
    before = stored(near.objects)

    body = {"sequence": 9, "url": f"{origin.origin}/x"}
    assert problem(near.client.post("/v1/streams/failing/segments", json=body)) == name
    assert stored(near.objects) == before


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://example.com/", "x", "http://", "http://[::1", ""]
)
def test_only_http_is_fetched(near: RunningService, url: str) -> None:
    answer = near.client.post("/v1/streams/scheme/segments", json={"sequence": 0, "url": url})

    assert problem(answer) == "url_refused"


def test_an_address_of_this_network_is_refused_and_never_connected_to(
    service: RunningService, origin: Server
) -> None:
    port = origin.origin.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
        body = {"sequence": 0, "url": f"http://{host}:{port}/a.ts"}
        answer = service.client.post("/v1/streams/inside/segments", json=body)

        assert problem(answer) == "url_refused", host
    assert origin.requests == []


def test_a_password_in_a_url_is_shown_nowhere(
    near: RunningService, capfd: pytest.CaptureFixture[str]
) -> None:
    body = {"sequence": 0, "url": "http://user:hunter2@127.0.0.1:1/x?token=hunter3"}

    answer = near.client.post("/v1/streams/secret/segments", json=body)

    assert problem(answer) == "url_failed"
    assert "hunter" not in answer.text + capfd.readouterr().err


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningService]:
    """A service that refuses nothing because of its backlog."""
    quota = QuotaSettings(backlog_seconds=1e6)
    with run_service(tmp_path, ServiceSettings(data=tmp_path, quota=quota)) as running:
        yield running


ADDRESSES = [one for one in NOT_PUBLIC if _is_address(one)]


def test_no_address_inside_is_reached_by_name_redirect_or_rebinding(
    patient: RunningService, origin: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin stands for a public server; every other address is one that names resolve to."""
    port = int(origin.origin.rpartition(":")[2])
    connected: list[object] = []
    lookups: Counter[str] = Counter()

    def resolve(host: str, port: int) -> list[HostAddress]:
        lookups[host] += 1
        if host == "public.test" or (host.startswith("changing-") and lookups[host] == 1):
            return [(socket.AF_INET, ("127.0.0.1", port))]
        inside = ADDRESSES[int(host.removesuffix(".test").rpartition("-")[2])]
        return [(socket.AF_INET6 if ":" in inside else socket.AF_INET, (inside, port))]

    def connect(one: socket.socket, address: object) -> None:
        connected.append(address)
        plain_connect(one, address)  # type: ignore[arg-type]

    def is_public(address: str) -> bool:
        return address == "127.0.0.1" or is_public_address(address)

    plain_connect = socket.socket.connect
    monkeypatch.setattr(http, "Hosts", lambda: Hosts(resolve, is_public))
    monkeypatch.setattr(socket.socket, "connect", connect)
    for number in range(len(ADDRESSES)):
        for path, host in ((f"/to-{number}", "inner"), (f"/back-{number}", "changing")):
            there = {"Location": f"http://{host}-{number}.test:{port}/secret"}
            origin.pages[path] = Answer(status=302, headers=there)
        inner = f"http://inner-{number}.test:{port}/secret"
        changing = f"http://changing-{number}.test:{port}/back-{number}"
        for url in (inner, f"http://public.test:{port}/to-{number}", changing):
            body = {"sequence": number, "url": url}
            answer = patient.client.post("/v1/streams/ssrf/segments", json=body)
            assert problem(answer) == "url_refused", (url, ADDRESSES[number])

    assert len(ADDRESSES) >= 40
    assert "/secret" not in [path for path, _ in origin.requests]
    assert set(connected) <= {("127.0.0.1", port), patient.address}
