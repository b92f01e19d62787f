"""The receiver of encoders: every status of its conformance table, and what it records."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from scanner.intake.failures import without_keys
from scanner.sources.limits import FetchLimits
from scanner.sources.pushed_media import PushedFacts, examine
from scanner.store.ingest_schema import ingest_objects, ingest_points, ingest_uploads
from scanner.store.keys import ApiKeys
from scanner.store.objects import ObjectStore
from tests.intake.build import MP4_INIT, PNG, ts
from tests.intake.conftest import RunningService, run_service, wait_for
from tests.intake.test_deadlines import RawClient
from tests.intake.test_segments import problem

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\ns0.ts\n#EXTINF:2.0,\ns1.ts\n"
MOOV = b"\0\0\0\x20moov\0\0\0\x18hdlr" + bytes(8) + b"vide" + bytes(4)
MOOF = b"\0\0\0\x14stypmsdh\0\0\0\0lmsg\0\0\0\x08moof\0\0\0\x08mdat"


def rows(service: RunningService, channel: str) -> list[Any]:
    query = select(ingest_objects).where(ingest_objects.c.channel == channel)
    with service.journal.read() as connection:
        return list(connection.execute(query.order_by(ingest_objects.c.number)))


def put(service: RunningService, path: str, body: bytes) -> str:
    answer = service.client.put(f"/ingest/{path}", content=body)
    assert answer.status_code == 200
    return str(answer.json()["state"])


def begun(channel: str) -> bytes:
    """Return the beginning of a request whose body is not complete."""
    head = f"PUT /ingest/{channel}/s0.ts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n"
    return head.encode() + b"abc"


def test_objects_are_durable_in_order_once_they_are_answered(service: RunningService) -> None:
    for path, body in (("s0.ts", ts(0)), ("i.m3u8", PLAYLIST), ("init.mp4", MP4_INIT + MOOV)):
        assert put(service, f"order/{path}", body) == "accepted"
    found = rows(service, "order")
    assert [(one.number, one.kind, one.path, one.after) for one in found] == [
        (1, "segment", "s0.ts", 0),
        (2, "playlist", "i.m3u8", 1),
        (3, "init", "init.mp4", 2),
    ]
    assert service.objects.path(found[0].object).read_bytes() == ts(0)
    assert found[1].object is None
    (listing,) = json.loads(found[1].facts)["listings"]
    assert [entry[0] for entry in listing["entries"]] == ["s0.ts", "s1.ts"]


def test_post_means_put_and_chunked_bodies_are_taken(service: RunningService) -> None:
    answer = service.client.post("/ingest/post/s0.ts", content=iter([ts(0)[:188], ts(0)[188:]]))
    assert answer.status_code == 200
    assert rows(service, "post")[0].bytes == len(ts(0))


def test_an_empty_request_is_a_probe(service: RunningService) -> None:
    assert put(service, "probe/s0.ts", b"") == "probe"
    assert rows(service, "probe") == []


def test_delete_is_accepted_and_deletes_nothing(service: RunningService) -> None:
    put(service, "kept/s0.ts", ts(0))
    answer = service.client.request("DELETE", "/ingest/kept/s0.ts", content=iter([b""]))
    assert (answer.status_code, answer.json()["state"]) == (200, "kept")
    assert service.objects.path(rows(service, "kept")[0].object).exists()


def test_a_path_that_is_sent_again_is_an_object_of_its_own(service: RunningService) -> None:
    for number in (0, 1):
        put(service, "again/s0.ts", ts(number))
    assert [one.path for one in rows(service, "again")] == ["s0.ts", "s0.ts"]


def test_the_name_of_an_object_may_be_in_the_query(service: RunningService) -> None:
    put(service, "named/upload?cid=1&file=s7.ts", ts(7))
    assert rows(service, "named")[0].path == "upload/s7.ts"


def test_what_segments_need_is_read_from_their_boxes(service: RunningService) -> None:
    put(service, "boxes/init.mp4", MP4_INIT + MOOV)
    put(service, "boxes/s0.m4s", MOOF)
    put(service, "boxes/whole.mp4", MP4_INIT + MOOV + MOOF)
    facts = [json.loads(one.facts) for one in rows(service, "boxes")]
    assert facts == [
        {"is_video": True},
        {"needs_init": True, "is_last": True, "is_video": None},
        {"needs_init": False, "is_last": True, "is_video": True},
    ]


@pytest.mark.parametrize(
    ("name", "body"), [("thumb.png", PNG), ("notes.txt", b"hello"), ("enc.key", bytes(16))]
)
def test_what_is_no_media_is_accepted_and_ignored(
    service: RunningService, name: str, body: bytes
) -> None:
    assert put(service, f"other/{name}", body) == "ignored"
    assert rows(service, "other") == []


def test_media_in_no_known_format_is_accepted_and_recorded_as_such(service: RunningService) -> None:
    assert put(service, "broken/s0.ts", b"not media") == "accepted"
    (row,) = rows(service, "broken")
    assert (row.object, json.loads(row.facts)) == (None, {"problem": "unsupported"})


def test_a_body_over_the_limit_is_read_to_its_end_and_not_kept(service: RunningService) -> None:
    assert put(service, "large/s0.ts", ts(0) * 100) == "ignored"
    (row,) = rows(service, "large")
    assert (row.object, json.loads(row.facts)) == (None, {"problem": "limit_bytes"})


def test_a_playlist_that_cannot_be_read_is_accepted(service: RunningService) -> None:
    bad = b'<!DOCTYPE MPD [<!ENTITY a "b">]><MPD>&a;</MPD>'
    assert put(service, "bad/s.mpd", bad) == "accepted"
    assert json.loads(rows(service, "bad")[0].facts) == {"offered": [], "listings": []}


def test_the_log_says_of_a_playlist_over_the_limit_that_it_is_too_large(tmp_path: Path) -> None:
    limits = FetchLimits(playlist_bytes=100)
    with ObjectStore(tmp_path).receive() as incoming, capture_logs() as logged:
        incoming.write(PLAYLIST + b"#" * 100)
        found = examine(incoming, path="i.m3u8", prefix="/ingest/tv/", limits=limits)
    assert found == PushedFacts(kind="playlist", facts={"offered": [], "listings": []}, keeps=False)
    assert [one["reason"] for one in logged] == ["i.m3u8: playlist over 100 bytes"]


def test_segments_of_a_rendition_that_is_not_scanned_are_discarded(service: RunningService) -> None:
    point = {
        "channel": "two",
        "shard": 0,
        "folded": 0,
        "phase": "live",
        "state": "{}",
        "unselected": json.dumps(["0/s#.ts"]),
        "updated_at": 0.0,
    }
    with service.journal.write() as connection:
        connection.execute(ingest_points.insert(), point)
    wait_for(lambda: put(service, "two/0/s1.ts", ts(1)) == "discarded")
    assert put(service, "two/1/s1.ts", ts(1)) == "accepted"
    last, before = rows(service, "two")[-1], rows(service, "two")[-2]
    assert last.object is not None
    assert (before.object, json.loads(before.facts)) == (None, {"problem": "unselected"})


def test_a_name_outside_the_publishing_point_is_not_found(service: RunningService) -> None:
    for path in ("tv/", "tv/..%2F..%2Fx.ts", "%20/x.ts", "tv/a%0Ab.ts"):
        answer = service.client.put(f"/ingest/{path}", content=ts(0))
        assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_a_sender_that_leaves_after_its_last_byte_has_delivered(service: RunningService) -> None:
    for number in range(20):
        client = RawClient(service)
        body = ts(number)
        head = f"PUT /ingest/gone/s{number}.ts HTTP/1.1\r\nHost: localhost\r\n"
        chunk = f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n"
        client.send(head.encode() + chunk.encode() + body + b"\r\n0\r\n\r\n")
        client.close()
    wait_for(lambda: len(rows(service, "gone")) == 20)


def test_requests_behind_one_in_hand_are_delivered_although_the_sender_left(
    service: RunningService,
) -> None:
    """FFmpeg with -http_persistent sends its last playlist so, and ends."""
    for number in range(20):
        client = RawClient(service)
        for name, body in ((f"s{number}.ts", ts(number)), (f"{number}.m3u8", PLAYLIST)):
            head = f"PUT /ingest/left/{name} HTTP/1.1\r\nHost: localhost\r\n"
            client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode())
            client.send(body + b"\r\n")
            client.send(b"0\r\n\r\n")
        client.send(b"PUT /ingest/left/never.ts HTTP/1.1\r\nHost: localhost\r\n")
        client.close()
    wait_for(lambda: len(rows(service, "left")) == 40)
    kinds = [one.path.rpartition(".")[2] for one in rows(service, "left")]
    assert sorted(kinds) == ["m3u8"] * 20 + ["ts"] * 20


def test_a_sender_that_leaves_within_a_body_has_delivered_nothing(service: RunningService) -> None:
    client = RawClient(service)
    client.send(begun("cut"))
    client.close()
    put(service, "cut/s1.ts", ts(1))
    assert [one.path for one in rows(service, "cut")] == ["s1.ts"]


def test_uploads_that_last_are_reported(service: RunningService) -> None:
    client = RawClient(service)
    client.send(begun("open"))

    def reported() -> bool:
        with service.journal.read() as connection:
            bodies = connection.execute(select(ingest_uploads.c.body)).scalars().all()
        return any(json.loads(body).get("open") == ["s0.ts"] for body in bodies)

    wait_for(reported)
    client.close()
    wait_for(lambda: not reported())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(tmp_path_factory.mktemp("guarded")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(guarded: RunningService) -> dict[str, str]:
    made = ApiKeys(guarded.journal)
    secrets = {
        "tv": made.add("tv", verbs=["ingest"], channels=["tv"]),
        "reader": made.add("reader", verbs=["read"], channels=None),
        "old": made.add("old", verbs=["ingest"], channels=None),
    }
    made.revoke("old")
    wait_for(lambda: guarded.client.put("/ingest/tv/x.ts").status_code == 401)
    return secrets


def test_each_form_of_a_key_is_taken(guarded: RunningService, keys: dict[str, str]) -> None:
    basic = base64.b64encode(f"anyone:{keys['tv']}".encode()).decode()
    for headers in ({"Authorization": f"Bearer {keys['tv']}"}, {"Authorization": f"Basic {basic}"}):
        answer = guarded.client.put("/ingest/tv/s0.ts", content=ts(0), headers=headers)
        assert answer.status_code == 200
    answer = guarded.client.put(f"/ingest/tv/{keys['tv']}/s1.ts", content=ts(1))
    assert answer.json() == {"channel": "tv", "path": "s1.ts", "state": "accepted"}


def test_a_key_in_the_path_is_in_no_log(
    guarded: RunningService, keys: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    guarded.client.put(f"/ingest/tv/{keys['tv']}/s9.ts", content=ts(1))
    guarded.client.put(f"/ingest/other/{keys['tv']}/s9.ts", content=ts(1))
    logged = capfd.readouterr().err
    assert "_***/s9.ts" in logged
    assert keys["tv"].split("_", 2)[2] not in logged
    assert without_keys("/ingest/tv/sw_1_a_b/s.ts") == "/ingest/tv/sw_1_***/s.ts"


def test_no_key_a_revoked_one_and_one_for_something_else_are_refused(
    guarded: RunningService, keys: dict[str, str]
) -> None:
    def status(channel: str, secret: str) -> int:
        answer = guarded.client.put(f"/ingest/{channel}/{secret}/s0.ts", content=ts(0))
        return answer.status_code

    assert guarded.client.put("/ingest/tv/s0.ts", content=ts(0)).status_code == 401
    assert status("tv", keys["old"]) == 401
    assert status("tv", "sw_00000000_unknown") == 401
    assert status("tv", keys["reader"]) == 403
    assert status("other", keys["tv"]) == 403


def test_401_names_basic_and_comes_before_the_body_is_asked_for(
    guarded: RunningService, keys: dict[str, str]
) -> None:
    client = RawClient(guarded)
    head = b"PUT /ingest/tv/s0.ts HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    client.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
    answer = client.read_until(b"}")
    client.close()
    assert answer.startswith(b"HTTP/1.1 401")
    assert b'www-authenticate: Basic realm="streamwarden"' in answer.lower().replace(
        b"basic", b"Basic"
    )


def test_a_full_disk_is_the_only_reason_to_refuse_authenticated_media(
    guarded: RunningService, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(guarded.objects), "free_bytes", lambda _: 1)

    def status() -> int:
        return guarded.client.put(f"/ingest/tv/{keys['tv']}/s.ts", content=ts(0)).status_code

    wait_for(lambda: status() == 507)
