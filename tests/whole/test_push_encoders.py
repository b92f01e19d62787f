"""FFmpeg pushes HLS and DASH to a running service, with each form of a key, while web is killed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2 as sqlite

from scanner.store.database import open_journal
from scanner.store.keys import ApiKeys
from tests.whole.service import SETTLE_SECONDS, RunningService, running_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg"),
]

SEGMENT_SECONDS = 2
PICTURE = "testsrc2=size=96x64:rate=10"
CODECS = [
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-threads",
    "1",
    "-g",
    "10",
    "-keyint_min",
    "10",
    "-sc_threshold",
    "0",
    "-c:a",
    "aac",
]
MUXERS = {
    "ts": ("hls", "index.m3u8"),
    "fmp4": ("hls -hls_segment_type fmp4", "index.m3u8"),
    "dash": ("dash", "manifest.mpd"),
}


@dataclass(frozen=True, kw_only=True)
class PushedStream:
    """A stream that an encoder pushed, as the journal has it."""

    state: str
    sequences: int
    """Sequences that the publishing point gave."""
    scored: set[int]
    lost: set[int]


def command(address: str, key: str, *, muxer: str, auth: str, seconds: int) -> list[str]:
    """Return the command of an encoder that pushes with a form of a key."""
    name, file = MUXERS[muxer]
    host = address.removeprefix("http://")
    header = f"Authorization: Bearer {key}"
    where, options = f"http://{host}/ingest/{muxer}-{auth}", list[str]()
    if auth == "basic":
        where = f"http://encoder:{key}@{host}/ingest/{muxer}-{auth}"
    elif auth == "path":
        where += f"/{key}"
    elif muxer == "dash":
        options = ["-http_opts", "headers=" + header.replace(":", "\\:")]
    else:
        options = ["-headers", f"{header}\r\n"]
    length = "-seg_duration" if muxer == "dash" else "-hls_time"
    return [
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", PICTURE),
        *("-f", "lavfi", "-i", "sine", "-t", str(seconds), *CODECS, "-f", *name.split()),
        *(length, str(SEGMENT_SECONDS), "-method", "PUT", *options, f"{where}/{file}"),
    ]


@contextmanager
def encoders(commands: Sequence[list[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start encoders, and end those that are left at the end."""
    started = [subprocess.Popen(one) for one in commands]
    try:
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


def new_key(service: RunningService) -> str:
    journal = open_journal(service.data)
    key = ApiKeys(journal).add("encoder", verbs=["ingest"], channels=None)
    journal.close()
    return key


def pushed_streams(data: Path) -> dict[str, PushedStream]:
    """Return the streams that encoders pushed, by channel; each has one."""
    connection = sqlite.connect(f"file:{data / 'journal.sqlite3'}?mode=ro", uri=True, timeout=30)

    def rows(query: str, *values: Any) -> list[Any]:
        return list(connection.execute(query, values))

    try:
        found: dict[str, PushedStream] = {}
        for channel, stream, state in rows("SELECT channel, stream_id, state FROM ingest_points"):
            assert len(rows("SELECT 1 FROM streams WHERE channel = ?", channel)) == 1
            point = json.loads(state)
            verdicts = rows("SELECT sequence, verdict FROM segments WHERE stream_id = ?", stream)
            marks = rows("SELECT body FROM marks WHERE kind = 'lost' AND stream_id = ?", stream)
            found[channel] = PushedStream(
                state=point["phase"],
                sequences=point["sequence"],
                scored={number for number, verdict in verdicts if verdict in ("scored", "late")},
                lost={json.loads(body)["sequence"] for (body,) in marks},
            )
        return found
    finally:
        connection.close()


def is_over(service: RunningService, channels: int) -> Callable[[], bool]:
    def over() -> bool:
        found = pushed_streams(service.data)
        return len(found) == channels and all(
            one.state == "ended" and one.scored | one.lost == set(range(one.sequences))
            for one in found.values()
        )

    return over


def test_ffmpeg_pushes_hls_and_dash_with_each_form_of_a_key(tmp_path: Path) -> None:
    with running_service(tmp_path / "data") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        key, seconds = new_key(service), 12
        kinds = [("ts", "bearer"), ("fmp4", "basic"), ("dash", "path"), ("dash", "bearer")]
        commands = [
            command(service.address, key, muxer=muxer, auth=auth, seconds=seconds)
            for muxer, auth in kinds
        ]
        with encoders(commands) as started:
            assert [one.wait(90) for one in started] == [0] * len(kinds)
        service.wait_for(is_over(service, len(kinds)), 60, "ended")
        for one in pushed_streams(service.data).values():
            assert one.scored == set(range(seconds // SEGMENT_SECONDS))
            assert one.lost == set()
        assert key not in service.log.read_text()


def test_no_encoder_exits_while_web_is_killed_and_every_named_segment_is_scored_or_a_gap(
    tmp_path: Path,
) -> None:
    with running_service(tmp_path / "data") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        key, seconds = new_key(service), 50
        commands = [
            command(service.address, key, muxer=muxer, auth=auth, seconds=seconds)
            for muxer in MUXERS
            for auth in ("path", "basic")
        ]
        with encoders(commands) as started:
            time.sleep(8)  # real encoders push in real time, and their init segments once
            for _ in range(3):
                service.wait_for(lambda: "web" in service.processes().values(), 60, "web")
                service.kill(lambda listed: next(one for one in listed if one[1] == "web"))
                time.sleep(10)
            assert [one.wait(120) for one in started] == [0] * len(commands)
        service.wait_for(is_over(service, len(commands)), 120, "ended")
        for one in pushed_streams(service.data).values():
            assert one.sequences >= seconds // SEGMENT_SECONDS - 1
            assert len(one.scored) >= one.sequences - 8
