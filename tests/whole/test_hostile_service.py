"""Hostile files and names, sent to a running service: each is answered by a documented status, each
acknowledged segment has one verdict, and nothing restarts or shows in the logs."""

from __future__ import annotations

import base64
import http.client
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest

from samples.make_hostile import damage, make_hostile
from samples.make_media import make_media
from scanner.intake.problems import PROBLEMS
from scanner.store.database import open_journal
from scanner.store.keys import ApiKeys
from tests.processes import processes_below
from tests.whole.facts import read_facts
from tests.whole.service import PART_MODULES, SETTLE_SECONDS, RunningService, running_service
from tests.whole.test_service_kills import RULES_OFF

pytestmark = [pytest.mark.slow, pytest.mark.fault]

VERDICT_SECONDS = 900.0
MOST_MIB = 1000
"""Most memory of all processes together; pages that are shared count once."""
SAMPLED = 25
"""Files from one measurement of the memory to the next."""
LONGEST_PART = 24
"""Bytes of a file that would be recognized in the log."""
NAMES = (
    *("..", ".", "..%5c..", "%2e%2e", "%2E%2E%2F%2e%2e%2fetc%2fpasswd", "a%2Fb", "a%5cb"),
    *("a%00b", "a%0d%0aSet-Cookie:%20x=1", "%0a", "%7f", "%1b[31m", "\x7f", "a b", "a%20b"),
    *("%f0%9f%98%80", "%e2%80%ae", "%ff%fe", "%c3%28", "%u0041", "%25252e", "%", "%zz"),
    *("\u00e9", "\U0001f600", "a;b", "a?b", "a#b", "a'%20OR%201=1--", "$(id)", "`id`", "{}"),
    *("<script>", ".hidden", "CON", "-", "--help", "a..b", "a.", "@", ":", "~" * 200),
    *("a" * 200, "a" * 201, "a" * 5000, "a" * 60_000, "%41" * 200),
)
TARGETS = (
    ("PUT", "/v1/streams/{name}/segments/0"),
    ("PUT", "/v1/streams/s/segments/{name}"),
    ("PUT", "/v1/streams/t/segments/0?channel={name}"),
    ("PUT", "/v1/streams/s/init/{name}"),
    ("POST", "/v1/images?id={name}"),
    ("GET", "/v1/streams/{name}"),
    ("GET", "/v1/incidents/{name}"),
    ("PUT", "/ingest/{name}/a.ts"),
    ("PUT", "/ingest/tv/{name}"),
)
"""Requests that a name is put into."""


@dataclass
class HostileSender:
    """Sends to a service with a key, and checks each answer."""

    address: str
    key: str
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    undocumented: list[str] = field(default_factory=list)

    def send_file(self, client: httpx.Client, number: int, path: Path) -> None:
        """Send a file as a segment, a picture, an init segment and an encoder's object."""
        stream, image, data = f"file-{number}", f"image-{number}", path.read_bytes()
        for name, method, url in (
            (stream, "PUT", f"/v1/streams/{stream}/segments/0"),
            (image, "POST", f"/v1/images?id={image}"),
            (None, "PUT", f"/v1/streams/{stream}/init/i"),
            (None, "PUT", f"/ingest/channel-{number % 7}/{quote(path.name)}"),
        ):
            answer = client.request(method, url, content=data)
            self.check(f"{method} {url} {path.name}", answer.status_code, answer.content)
            if name is not None and answer.is_success:
                self.acknowledged.add((name, 0))

    def send_raw(self, method: str, target: str, body: bytes) -> None:
        """Send a request whose target is sent as it is."""
        host = urlsplit(self.address)
        head = f"{method} {target} HTTP/1.1\r\nHost: {host.netloc}\r\n"
        head += f"Authorization: Bearer {self.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=60)
        connection.connect()
        try:
            connection.send(head.encode() + body)
            answer = http.client.HTTPResponse(connection.sock, method=method)
            answer.begin()
            self.check(f"{method} {target[:80]!r}", answer.status, answer.read())
        except (http.client.HTTPException, ConnectionError):
            pass  # the connection was closed before the whole body was sent
        finally:
            connection.close()

    def check(self, request: str, status: int, body: bytes) -> None:
        """Note an answer that the documentation does not know, and every failure of the service."""
        if status < 400:
            return
        try:
            problem = PROBLEMS[json.loads(body)["type"].rpartition(":")[2]]
        except (ValueError, KeyError):
            problem = None
        if problem is None or problem.status != status or status >= 500:
            self.undocumented.append(f"{request}: {status} {body[:200]!r}")


def make_files(folder: Path) -> list[Path]:
    """Make all hostile files, all media, and a damaged copy of each of these."""
    hostile = [one.path for one in make_hostile(folder / "hostile").values()]
    media = [one.path for one in make_media(folder / "media").values()]
    damaged = [one.with_name(f"damaged-{one.name}") for one in media]
    for path, copy in zip(media, damaged, strict=True):
        copy.write_bytes(damage(path.read_bytes(), 7))
    return [*hostile, *media, *damaged]


def memory_of(service: RunningService) -> float:
    """Return the memory of all processes of a service, in MiB."""
    total = 0.0
    for process in (psutil.Process(service.process.pid), *processes_below(service.process.pid)):
        try:
            total += process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    return total


def parts_of(path: Path, folder: Path, dice: random.Random) -> Iterator[bytes]:
    """Yield parts of a file that a log could only have from it."""
    data = path.read_bytes().replace(str(folder).encode(), b"")
    for _ in range(4 if len(data) > LONGEST_PART else 0):
        start = dice.randrange(len(data) - LONGEST_PART)
        part = data[start : start + LONGEST_PART]
        if len(set(part)) > LONGEST_PART // 2:
            yield part


def test_hostile_files_and_names_are_answered_end_nothing_and_show_in_no_log(
    tmp_path: Path,
) -> None:
    files = make_files(tmp_path)
    names = {one.name for one in tmp_path.iterdir()}
    with running_service(tmp_path / "data", extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        journal = open_journal(service.data)
        key = ApiKeys(journal).add("hostile", verbs=["ingest", "read"], channels=None)
        journal.close()
        parts = {part: service.main_process(part) for part in PART_MODULES}
        sender = HostileSender(service.address, key)
        peak = send_everything(service, sender, files)
        service.wait_for(
            lambda: None not in read_facts(service.data).verdicts.values(),
            VERDICT_SECONDS,
            "verdicts",
        )
        peak = max(peak, memory_of(service))
        assert {part: service.main_process(part) for part in PART_MODULES} == parts
    assert service.process.returncode == 0
    assert sender.undocumented == []
    assert peak < MOST_MIB
    found, log = read_facts(tmp_path / "data"), service.log.read_bytes()
    assert sender.acknowledged <= found.verdicts.keys()
    assert (found.scored_twice(), found.broken_logs()) == ([], [])
    assert {one.name for one in tmp_path.iterdir()} == names | {"data", "data.log"}
    assert b"Traceback" not in log
    assert key.encode() not in log
    assert leaks_of(files, tmp_path, log) == []


def send_everything(service: RunningService, sender: HostileSender, files: list[Path]) -> float:
    """Send all files and names; return the most memory that the service had meanwhile, in MiB."""
    peak, headers = 0.0, {"Authorization": f"Bearer {sender.key}"}
    with httpx.Client(base_url=service.address, timeout=120, headers=headers) as client:
        service.wait_for(
            lambda: client.get("/v1/streams").is_success, SETTLE_SECONDS, "the key is known"
        )
        for number, path in enumerate(files):
            sender.send_file(client, number, path)
            peak = peak if number % SAMPLED else max(peak, memory_of(service))
    for name in NAMES:
        for method, target in TARGETS:
            sender.send_raw(method, target.replace("{name}", name), files[-1].read_bytes())
    return peak


def leaks_of(files: list[Path], folder: Path, log: bytes) -> list[str]:
    """Return the files of which a part is in a log, as it is or encoded."""
    dice = random.Random(5)
    return [
        path.name
        for path in files
        for part in parts_of(path, folder, dice)
        if part in log or part.hex().encode() in log or base64.b64encode(part) in log
    ]
