"""What must be right on this machine, looked at one by one, each with what to do about it.

A check takes what it judges as arguments and returns a ``Finding``; ``examine`` gathers the facts.
``av`` and the sandbox are asked through the callables that the caller hands in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Final, get_args

from scanner.errors import SetupError
from scanner.scoring.onnx import is_compiled_in, open_session
from scanner.scoring.options import Provider
from scanner.scoring.registry import check_models

__all__ = [
    "Finding",
    "check_codecs",
    "check_model_files",
    "check_one_of",
    "check_owner",
    "check_package",
    "check_provider",
    "check_python",
    "check_shared_memory",
    "check_walls",
    "examine",
]

OWN: Final = "streamwarden"
IMPORTS: Final = ("scanner", "workers")
PACKAGES: Final = (
    "av",
    "numpy",
    "pydantic",
    "pydantic-settings",
    "ray",
    "httpx",
    "m3u8",
    "jinja2",
    "rich",
    "typer",
)
TWINS: Final = (("onnxruntime", "onnxruntime-gpu"), ("opencv-python", "opencv-python-headless"))
"""Distributions that write the same files: one overwrites the other, and taking either away breaks
both."""
PYTHON: Final = ((3, 11), (3, 14))
"""First version that works, first that does not."""
SHARED_MEMORY: Final = Path("/dev/shm")
MIN_SHARED_BYTES: Final = 64 << 20
"""Frames come back from the decoder through it, and Ray keeps its objects there."""

IDENTITY: Final = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a001011"
)
"""The smallest ONNX model: y = x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    """What to do; empty where nothing needs to be done."""


def examine(
    *,
    provider: Provider = "cpu",
    models_dir: Path | None = None,
    added: Path | None = None,
    codecs: Callable[[], Mapping[str, bool]] | None = None,
    walls: Callable[[], Mapping[str, str]] | None = None,
) -> tuple[Finding, ...]:
    """Everything, in the order in which it should be mended.

    ``codecs`` tells for each codec that may be opened whether this FFmpeg has it, ``walls`` for
    each wall of the sandbox why it does not hold here, or nothing. Without them these are left out.
    """
    return tuple(_examine(provider, models_dir, added, codecs, walls))


def _examine(
    provider: Provider,
    models_dir: Path | None,
    added: Path | None,
    codecs: Callable[[], Mapping[str, bool]] | None,
    walls: Callable[[], Mapping[str, str]] | None,
) -> Iterator[Finding]:
    owners = packages_distributions()
    yield check_python(sys.version_info[:3])
    yield from (check_package(name, _version(name)) for name in PACKAGES)
    yield from (check_one_of(names, {name: _version(name) for name in names}) for names in TWINS)
    yield from (check_owner(name, owners.get(name, ())) for name in IMPORTS)
    yield from (check_provider(name, provider) for name in get_args(Provider))
    if codecs is not None:
        yield check_codecs(codecs())
    yield from check_model_files(models_dir, provider, added)
    if walls is not None:
        yield check_walls(walls())
    yield check_shared_memory(SHARED_MEMORY)


def check_python(found: tuple[int, int, int]) -> Finding:
    """The interpreter's version."""
    first, end = PYTHON
    shown = ".".join(map(str, found))
    remedy = f"use Python {first[0]}.{first[1]} to {end[0]}.{end[1] - 1}"
    return _finding("python", first <= found[:2] < end, shown, remedy)


def check_package(name: str, installed: str | None) -> Finding:
    """A distribution that must be there; ``installed`` is its version."""
    return _finding(name, installed is not None, installed or "not installed", f"pip install {OWN}")


def check_one_of(names: Sequence[str], installed: Mapping[str, str | None]) -> Finding:
    """Exactly one of several distributions that hold the same files."""
    present = [name for name in names if installed[name] is not None]
    shown = ", ".join(f"{name} {installed[name]}" for name in present) or "none installed"
    if not present:
        return _finding(names[0], False, shown, f"pip install {OWN}")
    remedy = f"pip uninstall {' '.join(names)}, then pip install {OWN}: they overwrite each other's files"
    return _finding(names[0], len(present) == 1, shown, remedy)


def check_owner(name: str, owners: Collection[str]) -> Finding:
    """An import name of ours belongs to us alone; to nobody where we run from the source tree."""
    distinct = sorted(set(owners))
    strangers = [owner for owner in distinct if owner != OWN]
    shown = ", ".join(distinct) or "source tree"
    return _finding(
        f"import {name}",
        not strangers,
        shown,
        f"pip uninstall {' '.join(strangers)}: it writes into the same folder",
    )


def check_provider(name: Provider, wanted: Provider) -> Finding:
    """A session on it, not its name in a list: being compiled in does not mean that it works.

    Only the wanted one must.
    """
    try:
        open_session(IDENTITY, provider=name, name="probe")
    except SetupError as why:
        shown = "compiled in, does not work here" if is_compiled_in(name) else "not compiled in"
        return _finding(f"provider {name}", name != wanted, shown, str(why))
    return _finding(f"provider {name}", True, "works", "")


def check_codecs(available: Mapping[str, bool]) -> Finding:
    """Every codec that may be opened is in this FFmpeg."""
    missing = sorted(name for name, there in available.items() if not there)
    shown = f"no {', '.join(missing)}" if missing else ", ".join(sorted(available))
    return _finding(
        "codecs",
        not missing,
        shown,
        "pip install --force-reinstall av: its own wheel has all of them",
    )


def check_model_files(
    models_dir: Path | None, provider: Provider, added: Path | None = None
) -> Iterator[Finding]:
    """Each model's checksum, signature and golden scores, on the provider if it is there; and where
    added ones are read from."""
    try:
        checks = check_models(models_dir, added=added, provider=provider)
    except SetupError as why:
        yield _finding("models", False, "none", str(why))
        return
    if not checks:
        yield _finding("models", False, "none", f"pip install {OWN} brings one; or set models_dir")
    if added is not None:
        yield _finding("added models", True, f"read from {added}", "")
    for check in checks:
        shown = (
            "cannot be used"
            if check.largest_difference is None
            else f"golden scores within {check.largest_difference:.5f}"
        )
        yield _finding(f"model {check.name}", check.ok, shown, check.problem)


def check_walls(walls: Mapping[str, str]) -> Finding:
    """What holds around the decoder here; the value is why a wall could not be put up, empty where
    it stands."""
    missing = [f"no {name} ({why})" for name, why in walls.items() if why]
    shown = ", ".join(missing or walls)
    return _finding(
        "sandbox",
        not missing,
        shown,
        "use a Linux kernel of 5.13 or later with Landlock and seccomp, or run in a container",
    )


def check_shared_memory(path: Path, least: int = MIN_SHARED_BYTES) -> Finding:
    """Free bytes of the file system that shared memory lies on."""
    if not path.is_dir():
        return _finding("shared memory", False, f"{path} is not there", f"mount a tmpfs on {path}")
    facts = os.statvfs(path)
    free = facts.f_bavail * facts.f_frsize
    remedy = f"{least >> 20} MiB are wanted: make {path} larger (docker run --shm-size=1g)"
    return _finding("shared memory", free >= least, f"{free >> 20} MiB free on {path}", remedy)


def _finding(name: str, ok: bool, found: str, remedy: str) -> Finding:
    return Finding(name=name, ok=ok, found=found, remedy="" if ok else remedy)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
