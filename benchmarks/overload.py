"""Twice the capacity for minutes: ``python -m benchmarks.overload [--minutes 10]``.

The capacity is measured first. Then senders offer twice as many segments, and wait only where the
service answers 429. Exits with status 1 if an acknowledged segment has no verdict in the end, if
nothing was refused, if memory grew, or if the oldest waiting segment was much older than
``service.quota.backlog_seconds``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from pysqlite3 import dbapi2 as sqlite

from samples.demo import make_demo_media
from tests.whole.facts import read_facts
from tests.whole.service import RunningService, running_service

STREAMS = 16
BACKLOG_SECONDS = 20.0
SETTINGS = {
    "STREAMWARDEN_SERVICE__QUOTA__BACKLOG_SECONDS": str(BACKLOG_SECONDS),
    "STREAMWARDEN_SERVICE__MAX_AGE": "100000",
}
LOOK_SECONDS = 5.0


@dataclass
class OverloadRun:
    """The load, and what was seen of the service meanwhile."""

    service: RunningService
    body: bytes
    acknowledged: set[tuple[str, int]] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Requests whose connection ended before the answer; they are sent again."""
    over: threading.Event = field(default_factory=threading.Event)
    ages: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def send(self, stream: str, rate: float) -> None:
        """Offer a stream's segments at a rate; one that is refused is offered again."""
        due, sequence = time.monotonic(), 0
        with httpx.Client(base_url=self.service.address, timeout=60) as client:
            while not self.over.is_set():
                path = f"/v1/streams/{stream}/segments/{sequence}?discontinuity=true"
                try:
                    answer = client.put(path, content=self.body)
                except httpx.TransportError:  # such as a connection that was idle for too long
                    self.broken += 1
                    continue
                self.statuses[answer.status_code] += 1
                if answer.status_code in (200, 202):
                    self.acknowledged.add((stream, sequence))
                    sequence += 1
                due += 1 / rate
                self.over.wait(max(0.0, due - time.monotonic()))

    def look(self) -> None:
        """Read the age of the oldest waiting segment, and memory, until the load ends."""
        while not self.over.wait(LOOK_SECONDS):
            text = httpx.get(f"{self.service.address}/metrics", timeout=60).text
            name = "streamwarden_oldest_waiting_seconds "
            found = [line for line in text.splitlines() if line.startswith(name)]
            self.ages.append(float(found[0].split()[1]))
            tree = psutil.Process(self.service.process.pid).children(recursive=True)
            self.memory.append(sum(_unique_bytes(one) for one in tree) / 1e6)


def _unique_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        playlist = make_demo_media(folder / "media", seconds=4)["test-card"]
        body = sorted(playlist.parent.glob("*.ts"))[0].read_bytes()
        with running_service(folder / "data", extra=SETTINGS) as service:
            service.wait_for(service.is_ready, 120, "ready")
            capacity = _capacity(service, body)
            run = OverloadRun(service, body)
            _load(run, 2 * capacity, 60 * given.minutes)
            service.wait_for(lambda: _waiting(service) == 0, 600, "drained")
            verdicts = read_facts(service.data).verdicts
    lost = [key for key in run.acknowledged if verdicts.get(key) != "scored"]
    return int(not _report(run, capacity, lost))


def _capacity(service: RunningService, body: bytes, count: int = 60) -> float:
    """Return how many segments a second the service scores of a backlog."""
    with httpx.Client(base_url=service.address, timeout=60) as client:
        for number in range(count):
            path = f"/v1/streams/warm-{number % 4}/segments/{number // 4}?discontinuity=true"
            client.put(path, content=body)
    service.wait_for(lambda: _waiting(service) == 0, 300, "capacity")
    place = f"file:{service.data / 'journal.sqlite3'}?mode=ro"
    query = "SELECT max(verdict_at) - min(verdict_at) FROM segments"
    with closing(sqlite.connect(place, uri=True, timeout=30)) as connection:
        (seconds,) = connection.execute(query).fetchone()
    return float(count / seconds)


def _waiting(service: RunningService) -> int:
    return sum(verdict is None for verdict in read_facts(service.data).verdicts.values())


def _load(run: OverloadRun, rate: float, seconds: float) -> None:
    threads = [
        threading.Thread(target=run.send, args=(f"load-{number}", rate / STREAMS))
        for number in range(STREAMS)
    ]
    threads.append(threading.Thread(target=run.look))
    for thread in threads:
        thread.start()
    run.over.wait(seconds)
    run.over.set()
    for thread in threads:
        thread.join()


def _report(run: OverloadRun, capacity: float, lost: Sequence[tuple[str, int]]) -> bool:
    """Print what was seen, and return whether all goals are met."""
    kept = run.memory[len(run.memory) // 4 :]
    half = len(kept) // 2
    growth = (sum(kept[half:]) / (len(kept) - half)) / (sum(kept[:half]) / half) - 1
    print(f"capacity {capacity:.1f} segments a second; offered {2 * capacity:.1f}")
    print(
        f"answers {dict(sorted(run.statuses.items()))}, lost {len(lost)}, sent again {run.broken}"
    )
    print(f"oldest waiting at most {max(run.ages):.0f} s, limit {BACKLOG_SECONDS:g} s")
    print(f"memory {kept[0]:.0f} to {kept[-1]:.0f} MB, second half {100 * growth:+.1f} %")
    return (
        not lost and run.statuses[429] > 0 and max(run.ages) < 2 * BACKLOG_SECONDS and growth < 0.05
    )


if __name__ == "__main__":
    sys.exit(main())
