"""Memory of a scan of hostile and of large inputs: ``python -m benchmarks.hostile_memory [NAME]``.

Each file is scanned by the command line, in processes of its own, whose memory is read every few
hundredths of a second. Pages of programs and libraries are shared with whatever else runs on the
machine, so they are counted as if nothing else did: each once.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.turns import print_machine
from samples.large import LARGE
from samples.make_hostile import make_hostile
from scanner.bench.process_tree import descendants

MOST_MIB = 500
PAUSE = 0.02
SHOWN = 12


@dataclass(frozen=True, slots=True, order=True)
class Peak:
    """The highest memory of a process tree, in MiB."""

    mib: float
    processes: tuple[float, ...]
    """Memory of each process without files, parents first."""


def main() -> None:
    """Measure, print the highest, and exit with status 1 if the goal is missed."""
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        files = {path.name: path for path in _make_files(Path(folder), set(sys.argv[1:]))}
        peaks = {name: max(_watch(path)) for name, path in files.items()}
    for name, peak in sorted(peaks.items(), key=lambda item: item[1], reverse=True)[:SHOWN]:
        each = ", ".join(f"{mib:.0f}" for mib in peak.processes)
        print(f"{peak.mib:6.0f} MiB  {name} ({each})")
    highest = max(peaks.values()).mib
    met = highest <= MOST_MIB
    print(
        f"highest of {len(peaks)} files: {highest:.0f} MiB, goal <= {MOST_MIB}:"
        f" {'met' if met else 'MISSED'}"
    )
    sys.exit(not met)


def _make_files(folder: Path, names: set[str]) -> Iterator[Path]:
    for name, hostile in make_hostile(folder / "hostile").items():
        if not names or name in names:
            yield hostile.path
    for name, make in LARGE.items():
        if not names or name in names:
            path = folder / name
            path.write_bytes(make())
            yield path


def _watch(path: Path) -> Iterator[Peak]:
    """Scan a file, and yield the memory while it is scanned."""
    command = [sys.executable, "-m", "workers.cli", "scan", "--json", str(path)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as scan:
        while scan.poll() is None:
            yield _read_peak([scan.pid, *descendants(scan.pid)])
            time.sleep(PAUSE)


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
