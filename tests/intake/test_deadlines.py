"""A sender that is slow or says nothing is disconnected; others do not notice."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from scanner.settings.service import QuotaSettings, ServiceSettings
from tests.intake.build import TS
from tests.intake.conftest import RunningService, run_service, wait_for
from tests.intake.test_segments import stored

HEAD = b"PUT /v1/streams/slow/segments/0 HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with short deadlines."""
    folder = tmp_path_factory.mktemp("hasty")
    quota = QuotaSettings(header_seconds=0.4, idle_seconds=0.6)
    with run_service(folder, ServiceSettings(data=folder, quota=quota)) as running:
        yield running


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that waits for a body much longer than its sender pauses."""
    folder = tmp_path_factory.mktemp("patient")
    with run_service(
        folder, ServiceSettings(data=folder, quota=QuotaSettings(idle_seconds=2.0))
    ) as running:
        yield running


class RawClient:
    """A client that sends what it is told, when it is told."""

    def __init__(self, service: RunningService) -> None:
        self._socket = socket.create_connection(service.address, timeout=60)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read_to_end(self) -> bytes:
        """Return all that the server sends until it closes the connection."""
        data = b""
        with suppress(ConnectionResetError):
            while part := self._socket.recv(65536):
                data += part
        return data

    def read_some(self) -> bytes:
        return self._socket.recv(65536)

    def read_until(self, end: bytes) -> bytes:
        """Return what the server sends up to these bytes."""
        data = b""
        while not data.endswith(end) and (part := self.read_some()):
            data += part
        return data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def status_and_problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["type"].rpartition(":")[2]


@pytest.mark.parametrize("sent", [b"", b"PUT /v1/str", HEAD])
def test_headers_that_do_not_arrive_in_time_are_answered_408(
    hasty: RunningService, sent: bytes
) -> None:
    with RawClient(hasty) as client:
        client.send(sent)

        assert status_and_problem(client.read_to_end()) == (408, "receive_timeout")


def test_headers_byte_by_byte_have_the_same_time(hasty: RunningService) -> None:
    with RawClient(hasty) as client:
        ended = threading.Event()

        def trickle() -> None:
            with suppress(OSError):
                while not ended.wait(0.05):
                    client.send(b"X")

        sender = threading.Thread(target=trickle)
        sender.start()
        answer = client.read_to_end()
        ended.set()
        sender.join()

    assert status_and_problem(answer) == (408, "receive_timeout")


def test_a_body_that_stops_is_answered_408_and_leaves_nothing(hasty: RunningService) -> None:
    before = stored(hasty.objects)
    with RawClient(hasty) as client:
        client.send(HEAD + b"Content-Length: 3760\r\n\r\n" + TS[:1000])

        assert status_and_problem(client.read_to_end()) == (408, "receive_timeout")
    wait_for(lambda: stored(hasty.objects) == before)


def test_a_body_that_goes_on_is_not_disconnected(patient: RunningService) -> None:
    with RawClient(patient) as client:
        client.send(HEAD + f"Content-Length: {len(TS)}\r\nConnection: close\r\n\r\n".encode())
        pause = threading.Event()
        for start in range(0, len(TS), 188):
            client.send(TS[start : start + 188])
            pause.wait(0.15)

        assert client.read_to_end().startswith(b"HTTP/1.1 202")


def test_a_refused_body_that_never_ends_is_disconnected(hasty: RunningService) -> None:
    with RawClient(hasty) as client:
        client.send(b"PUT /v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n")

        answer = client.read_to_end()

    assert answer.startswith(b"HTTP/1.1 404")


def test_what_is_no_http_is_an_error_of_the_table(hasty: RunningService) -> None:
    with RawClient(hasty) as client:
        client.send(b"\x16\x03\x01\x02\x00\r\n\r\n")

        assert status_and_problem(client.read_to_end()) == (400, "bad_request")


def test_a_connection_is_reused_for_several_requests(patient: RunningService) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with RawClient(patient) as client:
        for _ in range(3):
            client.send(get + b"\r\n")
            assert client.read_until(b"ok\n").startswith(b"HTTP/1.1 200")
        client.send(get + b"\r\n" + get + b"Connection: close\r\n\r\n")
        answers = client.read_to_end()

    assert answers.count(b"HTTP/1.1 200") == 2


def test_a_sender_that_waits_for_continue_is_refused_before_its_body(
    patient: RunningService,
) -> None:
    with RawClient(patient) as client:
        head = HEAD + b"Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n"
        client.send(head)

        assert client.read_some().startswith(b"HTTP/1.1 413")


@pytest.mark.fault
def test_health_is_answered_while_200_connections_trickle(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("trickling")
    with run_service(folder, ServiceSettings(data=folder)) as service:
        with ExitStack() as stack:
            clients = [stack.enter_context(RawClient(service)) for _ in range(200)]
            for number, client in enumerate(clients):
                client.send(HEAD if number % 2 else HEAD + b"Content-Length: 99999\r\n\r\n")
            ended = threading.Event()
            trickle = threading.Thread(target=_trickle, args=(clients, ended))
            trickle.start()
            delays = [_healthz_seconds(service) for _ in range(300)]
            ended.set()
            trickle.join()

        assert sorted(delays)[int(0.99 * len(delays))] < 0.25


def _trickle(clients: list[RawClient], ended: threading.Event) -> None:
    """Send a byte on each connection, again and again."""
    while not ended.wait(0.5):
        for client in clients:
            with suppress(OSError):
                client.send(b"X")


def _healthz_seconds(service: RunningService) -> float:
    begun = time.monotonic()
    assert service.client.get("/healthz").status_code == 200
    return time.monotonic() - begun
