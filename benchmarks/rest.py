"""The service at rest: ``python -m benchmarks.rest [--workers 2]``.

Time until it is ready, also with a backlog; the time from a segment's first byte to its score;
memory, and memory of each idle live stream. Exits with status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import httpx
import psutil
from pysqlite3 import dbapi2 as sqlite

from benchmarks.service import PARTS, measure_pss
from samples.demo import make_demo_media
from scanner.store.database import open_journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.objects import ObjectStore, segment_name
from tests.whole.facts import read_facts
from tests.whole.service import RunningService, running_service

BACKLOG = 1000
IDLE_SECONDS = 70.0
"""After which children of the sandbox have ended, and states have left memory."""


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--streams", type=int, default=200, help="idle streams")
    given = parser.parse_args()
    most = 25.0 if given.workers else 5.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        playlist = make_demo_media(folder / "media", seconds=18)["test-card"]
        segments = sorted(playlist.parent.glob("*.ts"))
        with running_service(folder / "data", workers=given.workers) as service:
            met = [_check("ready after", _ready_seconds(service), most, "s")]
            met.append(_check("upload to score, p50", _latency(service, segments), 0.5, "s"))
            met += _check_memory(service, segments, given.streams)
            _open_incident(service, segments)
        _add_backlog(folder / "data", segments)
        with running_service(folder / "data", workers=given.workers) as service:
            ready = _ready_seconds(service)
            met.append(_check(f"ready with {BACKLOG} waiting, after", ready, most, "s"))
            before = _scored_before(service)
            met.append(_check("scored before those of the open incident", before, 64, "segments"))
    return int(not all(met))


def _check(name: str, value: float, most: float, unit: str) -> bool:
    met = value <= most
    print(f"{name} {value:.2f} {unit}, goal <= {most:g}: {'met' if met else 'MISSED'}", flush=True)
    return met


def _ready_seconds(service: RunningService) -> float:
    """Return the age of the service when it is ready."""

    def is_ready() -> bool:
        try:
            return httpx.get(f"{service.address}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    service.wait_for(is_ready, 180, "ready")
    return float(time.time() - psutil.Process(service.process.pid).create_time())


def _latency(service: RunningService, segments: Sequence[Path], count: int = 25) -> float:
    """Return the median time from the begin of a PUT until the verdict can be read."""
    body, delays = segments[0].read_bytes(), []
    with httpx.Client(base_url=service.address, timeout=60) as client:
        for number in range(count):
            path = f"/v1/streams/live/segments/{number}"
            began = time.monotonic()
            client.put(f"{path}?discontinuity=true", content=body)
            while client.get(path).json()["verdict"] is None:
                time.sleep(0.01)
            delays.append(time.monotonic() - began)
            time.sleep(0.3)
    return median(delays[5:])


def _check_memory(service: RunningService, segments: Sequence[Path], streams: int) -> list[bool]:
    time.sleep(IDLE_SECONDS)
    before = measure_pss(psutil.Process(service.process.pid))
    for part in PARTS:
        print(f"  {part:<18} {before[part] / 1e6:6.0f} MB PSS")
    body = segments[0].read_bytes()
    with httpx.Client(base_url=service.address, timeout=60) as client:
        for number in range(streams):
            client.put(f"/v1/streams/idle-{number}/segments/0", content=body)
    service.wait_for(lambda: _all_scored(service), 600, "scored")
    time.sleep(IDLE_SECONDS)
    after = measure_pss(psutil.Process(service.process.pid))
    each = (sum(after.values()) - sum(before.values())) / streams / 1e6
    return [
        _check("web", before["web"] / 1e6, 150, "MB PSS"),
        _check("everything", sum(before.values()) / 1e6, 1300, "MB PSS"),
        _check("each idle live stream", each, 0.2, "MB PSS"),
    ]


def _all_scored(service: RunningService) -> bool:
    return None not in read_facts(service.data).verdicts.values()


def _open_incident(service: RunningService, segments: Sequence[Path]) -> None:
    """Leave a live stream with an open incident behind."""
    with httpx.Client(base_url=service.address, timeout=60) as client:
        for number, path in enumerate(segments[:4]):
            client.put(f"/v1/streams/burning/segments/{number}", content=path.read_bytes())
    service.wait_for(lambda: _all_scored(service), 120, "scored")


def _add_backlog(data: Path, segments: Sequence[Path]) -> None:
    """Add segments of many streams that nobody has scored, and last one of the stream with the
    open incident."""
    journal, objects = open_journal(data), ObjectStore(data / "objects")
    names = [(f"late-{number % 100}", number // 100) for number in range(BACKLOG - 1)]
    body = segments[0].read_bytes()
    for stream, sequence in [*names, ("burning", 4)]:
        incoming = objects.receive()
        incoming.write(body)
        item = f"{sequence}-{secrets.token_hex(4)}"
        name = segment_name("segments", stream, item, incoming.sha256)
        objects.put_many([(incoming, name)])
        row = NewSegment(
            stream=NewStream(stream_id=stream),
            sequence=sequence,
            object=name,
            bytes=len(body),
            sha256=incoming.sha256,
            discontinuity=True,
        )
        with journal.write() as connection:
            intake = Intake(connection, now=journal.now(), shard_count=journal.shard_count)
            assert intake.add_segment(row) == "accepted"
    journal.close()


def _scored_before(service: RunningService) -> int:
    """Return how many segments of the backlog were scored before that of the open incident."""
    query = (
        "SELECT count(*) FROM segments WHERE stream_id LIKE 'late-%' AND verdict_at <"
        " (SELECT verdict_at FROM segments WHERE stream_id = 'burning' AND sequence = 4)"
    )
    place = f"file:{service.data / 'journal.sqlite3'}?mode=ro"

    def is_scored() -> bool:
        return read_facts(service.data).verdicts["burning", 4] is not None

    service.wait_for(is_scored, 300, "the segment of the open incident")
    connection = sqlite.connect(place, uri=True, timeout=30)
    (count,) = connection.execute(query).fetchone()
    connection.close()
    return int(count)


if __name__ == "__main__":
    sys.exit(main())
