"""Thousands of short streams: ``python -m benchmarks.short_streams [--streams 10000]``.

Each stream has one segment and its end; media are deleted after a minute, so that deletion is part
of it from the beginning. Memory and descriptors of every part of the service are read again and
again; their slope over the streams has to be zero. Exits with status 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from samples.demo import make_demo_media
from tests.whole.facts import read_facts
from tests.whole.service import RunningService, Sender, running_service

PARTS = ("web", "driver", "delivery")
READINGS = 12
SETTINGS = {"STREAMWARDEN_SERVICE__RETENTION__SEGMENT_SECONDS": "60"}
MOST_GROWTH = 0.02
"""Growth of memory from the first half of the readings to the second, beyond which it counts."""


def main() -> int:
    """Send, measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        media = make_demo_media(folder / "media", seconds=4)
        segment = sorted(next(iter(media.values())).parent.glob("*.ts"))[:1]
        with running_service(folder / "data", extra=SETTINGS) as service:
            service.wait_for(service.is_ready, 120, "ready")
            began = time.monotonic()
            readings = _send(service, segment, given.streams)
            seconds = time.monotonic() - began
            facts = read_facts(service.data)
    assert len(facts.verdicts) == given.streams
    assert set(facts.verdicts.values()) == {"scored"}
    print(f"{given.streams} streams in {seconds:.0f} s")
    met = [_check(part, readings) for part in PARTS]
    return int(not all(met))


def _send(
    service: RunningService, segment: Sequence[Path], streams: int
) -> list[Mapping[str, tuple[float, int]]]:
    sender = Sender(service)
    readings: list[Mapping[str, tuple[float, int]]] = []
    batch = streams // READINGS
    for first in range(0, batch * READINGS, batch):
        last = streams if first == batch * (READINGS - 1) else first + batch
        for number in range(first, last):
            sender.send(f"short-{number}", segment)
        service.wait_for(lambda n=last: _finished(service) >= n, 600, "finished")  # type: ignore[misc]
        readings.append(_read(service))
    return readings


def _finished(service: RunningService) -> int:
    text = httpx.get(f"{service.address}/metrics", timeout=30).text
    lines = (line for line in text.splitlines() if line.startswith("streamwarden_segments_total"))
    return int(sum(float(line.rsplit(maxsplit=1)[1]) for line in lines))


def _read(service: RunningService) -> dict[str, tuple[float, int]]:
    """Return the private memory in MB and the descriptors of the main process of each part."""
    found: dict[str, tuple[float, int]] = {}
    for child in psutil.Process(service.process.pid).children():
        module = child.cmdline()[2]
        part = {"scanner.console.server": "web", "scanner.delivery.server": "delivery"}
        memory = child.memory_full_info()
        found[part.get(module, "driver")] = (memory.uss / 1e6, child.num_fds())
    return found


def _check(part: str, readings: Sequence[Mapping[str, tuple[float, int]]]) -> bool:
    """Print how memory and descriptors of a part went; return whether they are constant."""
    kept = readings[2:]
    half = len(kept) // 2
    memory = [one[part][0] for one in kept]
    descriptors = [one[part][1] for one in kept]
    before, after = sum(memory[:half]) / half, sum(memory[half:]) / (len(kept) - half)
    growth = after / before - 1
    steady = growth <= MOST_GROWTH and descriptors[-1] <= max(descriptors[:half])
    shown = " ".join(f"{value:.1f}" for value in memory)
    print(
        f"{part:<9} {shown} MB; growth {100 * growth:+.1f} %,"
        f" descriptors {descriptors[0]} to {descriptors[-1]}: {'met' if steady else 'MISSED'}"
    )
    return steady


if __name__ == "__main__":
    sys.exit(main())
