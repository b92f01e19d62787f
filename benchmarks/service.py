"""The live service compared with one process: ``python -m benchmarks.service [--workers 2]``.

The same segments are scanned by one process, and put to the service as fast as it takes them. What
counts is processor time for each segment, by part of the service; memory is the proportional set
size (PSS) of each part at rest.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.clips import SEGMENT, get_clip
from benchmarks.turns import print_machine
from scanner.client.service import ServiceClient
from scanner.errors import ScannerError

PARTS = ("supervisor", "web", "driver and actors", "ray", "delivery")
RAY_PROGRAMS = ("gcs_server", "raylet", "ray::Dashboard", "ray::Runtime", "ray::IDLE")
SETTLE_SECONDS = 600.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--segments", type=int, default=10)
    options = parser.parse_args()
    print_machine()
    segment = get_clip(SEGMENT)
    total = options.streams * options.segments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        single = _scan_seconds(segment, folder / "files", total) / total
        print(f"one process: {1000 * single:.1f} ms a segment")
        with _service(folder / "data", options.workers) as (process, address):
            started = time.monotonic()
            with ServiceClient(address) as sender:
                _wait_ready(sender)
                print(f"ready after {time.monotonic() - started:.1f} s")
                warm = 4 * max(1, options.workers)
                _send(address, segment, warm, 2, name="warm")
                _wait_finished(sender, warm)
                time.sleep(3)
                _print_memory(process)
                before = _seconds(process)
                _send(address, segment, options.streams, options.segments)
                _wait_finished(sender, options.streams + warm)
                spent = {part: _seconds(process)[part] - before[part] for part in PARTS}
    for part in PARTS:
        share = spent[part] / total
        print(f"{part:<18} {1000 * share:6.1f} ms a segment, {share / single:.2f} of one process")


def _scan_seconds(segment: Path, folder: Path, total: int) -> float:
    """Return the processor time of one process over as many segments of one stream, less that of
    its start."""
    folder.mkdir()
    times = {}
    for count in (1, total):
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:5"]
        for number in range(count):
            shutil.copyfile(segment, folder / f"{number}.ts")
            lines += ["#EXT-X-DISCONTINUITY", "#EXTINF:4.0,", f"{number}.ts"]
        playlist = folder / f"{count}.m3u8"
        playlist.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
        command = [sys.executable, "-m", "workers.cli", "scan", "--json", str(playlist)]
        before = _children_seconds()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        times[count] = _children_seconds() - before
    return (times[total] - times[1]) * total / (total - 1)


def _children_seconds() -> float:
    spent = psutil.Process().cpu_times()
    return float(spent.children_user + spent.children_system)


@contextmanager
def _service(data: Path, workers: int) -> Iterator[tuple[psutil.Process, str]]:
    command = [sys.executable, "-m", "workers.cli", "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        first = process.stdout.readline() if process.stdout is not None else ""
        yield psutil.Process(process.pid), first.split(" at ")[1].split(";")[0].strip()
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_ready(sender: ServiceClient) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        with suppress(ScannerError):
            sender.get("/readyz", patience=0)
            return
        time.sleep(0.2)
    raise SystemExit("the service did not become ready")


def _send(address: str, segment: Path, streams: int, segments: int, *, name: str = "s") -> None:
    data = segment.read_bytes()

    def send(stream: str) -> None:
        with ServiceClient(address) as sender:
            for sequence in range(segments):
                sender.put_segment(stream, sequence, data, discontinuity=sequence > 0)
            sender.end_stream(stream, segments - 1)

    threads = [
        threading.Thread(target=send, args=(f"{name}{number}",)) for number in range(streams)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _wait_finished(sender: ServiceClient, streams: int) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        listed = sender.get("/v1/streams?limit=200")["streams"]
        if sum(one["state"] == "finished" for one in listed) == streams:
            return
        time.sleep(0.5)
    raise SystemExit("the service did not finish")


def _by_part(service: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    yield "supervisor", service
    modules = {"scanner.console.server": "web", "scanner.delivery.server": "delivery"}
    for child in service.children():
        with suppress(psutil.Error):
            command = child.cmdline()
            part = next((modules[one] for one in command if one in modules), "driver and actors")
            for one in (child, *child.children(recursive=True)):
                with suppress(psutil.Error, IndexError):
                    program = Path(one.cmdline()[0]).name
                    is_ray = program.startswith(RAY_PROGRAMS) or "log_monitor" in one.cmdline()
                    yield ("ray" if is_ray else part), one


def _seconds(service: psutil.Process) -> Mapping[str, float]:
    """Return the processor time of each part, with that of children that ended."""
    spent = dict.fromkeys(PARTS, 0.0)
    for part, process in _by_part(service):
        with suppress(psutil.Error):
            times = process.cpu_times()
            spent[part] += times.user + times.system
            if part != "supervisor":
                spent[part] += times.children_user + times.children_system
    return spent


def measure_pss(service: psutil.Process) -> dict[str, int]:
    """Return the memory of each part in bytes, with its share of what it shares."""
    memory = dict.fromkeys(PARTS, 0)
    for part, process in _by_part(service):
        with suppress(psutil.Error):
            memory[part] += process.memory_full_info().pss
    return memory


def _print_memory(service: psutil.Process) -> None:
    memory = measure_pss(service)
    for part in PARTS:
        print(f"{part:<18} {memory[part] / 1e6:6.0f} MB PSS at rest")
    print(f"{'all':<18} {sum(memory.values()) / 1e6:6.0f} MB PSS at rest")


if __name__ == "__main__":
    main()
