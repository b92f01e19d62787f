"""Facts about the machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from scanner.bench.process_tree import cpu_seconds

__all__ = ["LoadWatch", "Machine", "read_machine", "watch_load"]

PACKAGES: Final = (
    "streamwarden",
    "av",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "ray",
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The facts that a figure depends on."""

    cpu: str
    """The processor's model name, from the kernel."""
    cores: int
    """Number of cores that this process may use."""
    memory_bytes: int
    system: str
    """Kernel, its release, and the architecture."""
    python: str
    versions: Mapping[str, str]
    """Versions of the packages that do the work, if installed."""
    gpus: tuple[str, ...] = ()
    """Name, driver and memory of each GPU, as nvidia-smi tells them."""


def read_machine() -> Machine:
    """Return the facts about this machine."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    return Machine(
        cpu=_cpu(Path("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions=versions,
        gpus=_gpus(),
    )


@dataclass(slots=True)
class LoadWatch:
    """What was seen of the machine while something was measured."""

    others: float = 0.0
    """Share of all cores that other processes used, in [0, 1]."""
    mhz: tuple[float, float] = field(default=(0.0, 0.0))
    """Slowest and fastest clock of a core at the beginning and the end; 0 where unknown."""


@contextmanager
def watch_load() -> Iterator[LoadWatch]:
    """Yield a watch that is filled in when the block ends."""
    watch, cpuinfo = LoadWatch(), Path("/proc/cpuinfo")
    clocks = _clocks(cpuinfo)
    busy, total = _busy_and_total(Path("/proc/stat"))
    own = cpu_seconds()
    yield watch
    busy_after, total_after = _busy_and_total(Path("/proc/stat"))
    spent = busy_after - busy - (cpu_seconds() - own)
    watch.others = min(1.0, max(0.0, spent / max(total_after - total, 1 / _TICKS)))
    clocks += _clocks(cpuinfo)
    watch.mhz = (min(clocks), max(clocks)) if clocks else (0.0, 0.0)


def _busy_and_total(stat: Path) -> tuple[float, float]:
    """Return the seconds that all cores were busy, and those that they had, since the start."""
    user, nice, system, idle, wait, *rest = (
        int(ticks) / _TICKS for ticks in stat.read_text().splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + wait


def _clocks(cpuinfo: Path) -> list[float]:
    rows = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    return [float(row.partition(":")[2]) for row in rows if row.startswith("cpu MHz")]


def _gpus() -> tuple[str, ...]:
    """Return a line for each GPU, or nothing where nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in told.splitlines() if line.strip())


def _cpu(cpuinfo: Path) -> str:
    """Return the processor's model name, or the architecture where the kernel gives no name
    (ARM)."""
    for row in cpuinfo.read_text("utf-8", errors="replace").splitlines():
        key, _, value = row.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
