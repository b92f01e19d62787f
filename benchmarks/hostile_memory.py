"""Memory of a scan of hostile and of large inputs.

``python -m benchmarks.hostile_memory [--out] [--together] [--workers N] [NAME]...``

Each file is scanned by the command line, in processes of its own, whose memory is read every few
hundredths of a second. Pages of programs and libraries are shared with whatever else runs on the
machine, so they are counted as if nothing else did: each once.

``--out`` writes a report, and lets everything be flagged, so that evidence of each file is cut.
``--together`` scans all files in one command; so does ``--workers``, which counts each worker with
its children by itself, Ray apart.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turns import print_machine
from samples.large import LARGE
from samples.make_hostile import make_hostile
from scanner.bench.process_tree import descendants

MOST_MIB = 500
PAUSE = 0.02
SHOWN = 12
WORKER = "ray::_RemoteDecode"
SANDBOX = "scanner.sandbox"


@dataclass(frozen=True, slots=True, order=True)
class Peak:
    """The highest memory of a process tree, in MiB."""

    mib: float
    processes: tuple[float, ...]
    """Memory of each process without files, parents first."""


def main() -> None:
    """Measure, print the highest, and exit with status 1 if the goal is missed."""
    options = _options()
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = list(_make_files(folder, set(options.names)))
        flags = [*_evidence_flags(folder)] if options.out else []
        if options.workers:
            flags += ["--workers", str(options.workers)]
        if options.workers or options.together:
            peaks = _watch_parts(flags, files)
        else:
            peaks = {path.name: max(_watch([*flags, str(path)])) for path in files}
    for name, peak in sorted(peaks.items(), key=lambda item: item[1], reverse=True)[:SHOWN]:
        each = ", ".join(f"{mib:.0f}" for mib in peak.processes)
        print(f"{peak.mib:6.0f} MiB  {name} ({each})")
    highest = max(peaks.values()).mib
    met = highest <= MOST_MIB
    print(
        f"highest with {len(files)} files: {highest:.0f} MiB, goal <= {MOST_MIB}:"
        f" {'met' if met else 'MISSED'}"
    )
    sys.exit(not met)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", action="store_true")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("names", nargs="*", help="files, all of them by default")
    return parser.parse_args()


def _make_files(folder: Path, names: set[str]) -> Iterator[Path]:
    for name, hostile in make_hostile(folder / "hostile").items():
        if not names or name in names:
            yield hostile.path
    for name, make in LARGE.items():
        if not names or name in names:
            path = folder / name
            path.write_bytes(make())
            yield path


def _evidence_flags(folder: Path) -> Iterator[str]:
    config = folder / "flagged.toml"
    config.write_text("[policy.default]\nopen = -20\ndwell = 0\nshadow = false\n")
    yield from ("--config", str(config), "--out", str(folder / "report"))


def _watch(arguments: Sequence[str]) -> Iterator[Peak]:
    """Scan, and yield the memory of all processes while it is scanned."""
    with _scan(arguments) as scan:
        while scan.poll() is None:
            yield _read_peak([scan.pid, *descendants(scan.pid)])
            time.sleep(PAUSE)


def _watch_parts(arguments: Sequence[str], files: Sequence[Path]) -> dict[str, Peak]:
    """Scan all files, and return the highest memory of each worker, and of the scanning process
    without Ray."""
    peaks: dict[str, Peak] = {}
    with _scan([*arguments, *map(str, files)]) as scan:
        while scan.poll() is None:
            below = [*descendants(scan.pid)]
            workers = [pid for pid in below if WORKER in _command(pid)]
            trees = {f"worker {pid}": [pid, *descendants(pid)] for pid in workers}
            cutters = [pid for pid in below if SANDBOX in _command(pid)]
            inside = {pid for tree in trees.values() for pid in tree}
            trees["scanning process"] = [scan.pid, *(pid for pid in cutters if pid not in inside)]
            for name, pids in trees.items():
                peaks[name] = max(_read_peak(pids), peaks.get(name, Peak(0, ())))
            time.sleep(PAUSE)
    return peaks


def _scan(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "workers.cli", "scan", "--json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _read_peak(pids: list[int]) -> Peak:
    files: dict[str, int] = {}
    own = []
    for pid in pids:
        size = 0
        for mapped, resident, proportional in _mappings(pid):
            if mapped.startswith("/") and not mapped.startswith("/memfd:"):
                files[mapped] = max(files.get(mapped, 0), resident)
            else:
                size += proportional
        own.append(size / 1024)
    return Peak(sum(own) + sum(files.values()) / 1024, tuple(own))


def _mappings(pid: int) -> Iterator[tuple[str, int, int]]:
    """Yield file, resident and proportional KiB of each mapping; none if the process has ended."""
    try:
        rows = Path(f"/proc/{pid}/smaps").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    mapped, resident = "", 0
    for row in rows:
        first, *rest = row.split()
        if first == "Rss:":
            resident = int(rest[0])
        elif first == "Pss:":
            yield mapped, resident, int(rest[0])
        elif not first.endswith(":"):
            mapped = rest[4] if len(rest) > 4 else ""


if __name__ == "__main__":
    main()
