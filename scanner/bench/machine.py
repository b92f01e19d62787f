"""Facts about the machine that a figure was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

__all__ = ["Machine", "read_machine"]

PACKAGES: Final = ("streamwarden", "av", "numpy", "onnxruntime", "onnxruntime-gpu", "ray")


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
    )


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
