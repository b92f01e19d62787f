"""Checks of this machine: each reports what it found and how to fix it.

A check takes the facts that it judges as arguments and returns a ``Diagnostic``; ``run_checks``
collects the facts. The caller passes callables for ``av`` and the sandbox.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import (
    PackageNotFoundError,
    packages_distributions,
    requires,
    version,
)
from pathlib import Path
from typing import Final, get_args

from scanner.errors import SetupError
from scanner.scoring.onnx import is_compiled_in, open_session
from scanner.scoring.options import Provider
from scanner.scoring.registry import check_models
from scanner.store.sqlite import OLDEST_SQLITE, sqlite_version

__all__ = [
    "Diagnostic",
    "check_codecs",
    "check_data_folder",
    "check_model_files",
    "check_one_of",
    "check_owner",
    "check_package",
    "check_provider",
    "check_python",
    "check_restrictions",
    "check_shared_memory",
    "check_sqlite",
    "run_checks",
]

DISTRIBUTION: Final = "streamwarden"
IMPORT_NAMES: Final = ("scanner", "workers")
PACKAGES: Final = (
    "av",
    "numpy",
    "pydantic",
    "pydantic-settings",
    "ray",
    "httpx",
    "jinja2",
    "rich",
    "typer",
)
CONFLICTING: Final = (
    ("onnxruntime", "onnxruntime-gpu"),
    ("opencv-python", "opencv-python-headless"),
)
"""Distributions that install the same files: one overwrites the other, and removing either breaks
both."""
PYTHON_RANGE: Final = ((3, 11), (3, 14))
"""First supported version, first unsupported version."""
SHARED_MEMORY: Final = Path("/dev/shm")
MIN_SHARED_BYTES: Final = 64 << 20
"""The decoder returns frames through shared memory, and Ray keeps its objects there."""

IDENTITY: Final = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a001011"
)
"""The smallest ONNX model: y = x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """The result of one check."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    """Instruction that fixes the problem; empty if there is none."""


def run_checks(
    *,
    provider: Provider = "cpu",
    models_dir: Path | None = None,
    added: Path | None = None,
    codecs: Callable[[], Mapping[str, bool]] | None = None,
    restrictions: Callable[[], Mapping[str, str]] | None = None,
    data: Path | None = None,
    refuse_below: float = 0.05,
) -> tuple[Diagnostic, ...]:
    """Run all checks, in the order in which problems should be fixed.

    ``codecs`` returns, for each codec that may be opened, whether this FFmpeg has it.
    ``restrictions`` returns, for each restriction of the sandbox, why it does not work here, or an
    empty string. Without these callables their checks are skipped. ``data`` is the data folder of
    the service, whose disk must have a larger free share than ``refuse_below``.
    """
    return tuple(_checks(provider, models_dir, added, codecs, restrictions, data, refuse_below))


def _checks(
    provider: Provider,
    models_dir: Path | None,
    added: Path | None,
    codecs: Callable[[], Mapping[str, bool]] | None,
    restrictions: Callable[[], Mapping[str, str]] | None,
    data: Path | None,
    refuse_below: float,
) -> Iterator[Diagnostic]:
    owners = packages_distributions()
    yield check_python(sys.version_info[:3])
    yield from (check_package(name, _version(name)) for name in PACKAGES)
    yield from (
        check_one_of(names, {name: _version(name) for name in names}) for names in CONFLICTING
    )
    yield from (check_owner(name, owners.get(name, ())) for name in IMPORT_NAMES)
    yield from (check_provider(name, provider) for name in get_args(Provider))
    if codecs is not None:
        yield check_codecs(codecs())
    yield from check_model_files(models_dir, provider, added)
    if restrictions is not None:
        yield check_restrictions(restrictions())
    yield check_shared_memory(SHARED_MEMORY)
    yield check_sqlite(sqlite_version())
    if data is not None:
        yield check_data_folder(data, refuse_below)


def check_python(found: tuple[int, int, int]) -> Diagnostic:
    """Check the interpreter's version."""
    first, end = PYTHON_RANGE
    summary = ".".join(map(str, found))
    remedy = f"use Python {first[0]}.{first[1]} to {end[0]}.{end[1] - 1}"
    return _diagnostic("python", first <= found[:2] < end, summary, remedy)


def check_package(name: str, installed: str | None) -> Diagnostic:
    """Check that a required distribution is installed; ``installed`` is its version."""
    return _diagnostic(
        name, installed is not None, installed or "not installed", _install_command(name)
    )


def _install_command(name: str) -> str:
    """Return the command that installs a package in a version that we accept."""
    return f"pip install '{_requirement(name)}'"


def _requirement(name: str) -> str:
    """Return the requirement of our own distribution on a package, as pip takes it; the name itself
    where the distribution is not installed or has none."""
    try:
        required = requires(DISTRIBUTION) or ()
    except PackageNotFoundError:
        required = ()
    wanted = name.replace("_", "-").lower()
    for requirement in required:
        text = requirement.partition(";")[0].strip()
        if re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].replace("_", "-").lower() == wanted:
            return text.replace(" ", "")
    return name


def check_one_of(names: Sequence[str], installed: Mapping[str, str | None]) -> Diagnostic:
    """Check that exactly one of several distributions with the same files is installed."""
    present = [name for name in names if installed[name] is not None]
    summary = ", ".join(f"{name} {installed[name]}" for name in present) or "none installed"
    if not present:
        return _diagnostic(names[0], False, summary, _install_command(_ours(names)))
    remedy = (
        f"pip uninstall -y {' '.join(names)} && {_install_command(_ours(names))}:"
        " they overwrite each other's files"
    )
    return _diagnostic(names[0], len(present) == 1, summary, remedy)


def _ours(names: Sequence[str]) -> str:
    """Return the one of several distributions that we depend on, on this machine."""
    has_gpu_build = sys.platform == "linux" and platform.machine() == "x86_64"
    if "onnxruntime-gpu" in names and not has_gpu_build:
        return "onnxruntime"
    return names[-1]


def check_owner(name: str, owners: Collection[str]) -> Diagnostic:
    """Check that only our distribution provides one of our import names; none does in a source
    tree."""
    distinct = sorted(set(owners))
    strangers = [owner for owner in distinct if owner != DISTRIBUTION]
    summary = ", ".join(distinct) or "source tree"
    return _diagnostic(
        f"import {name}",
        not strangers,
        summary,
        f"pip uninstall {' '.join(strangers)}: it writes into the same folder",
    )


def check_provider(name: Provider, wanted: Provider) -> Diagnostic:
    """Check an execution provider by running a session on it, because a provider that is compiled
    in may still not work.

    Only the wanted provider must work.
    """
    try:
        open_session(IDENTITY, provider=name, name="probe")
    except SetupError as error:
        summary = "compiled in, does not work here" if is_compiled_in(name) else "not compiled in"
        return _diagnostic(f"provider {name}", name != wanted, summary, str(error))
    return _diagnostic(f"provider {name}", True, "works", "")


def check_codecs(available: Mapping[str, bool]) -> Diagnostic:
    """Check that this FFmpeg has every codec that may be opened."""
    missing = sorted(name for name, there in available.items() if not there)
    summary = f"no {', '.join(missing)}" if missing else ", ".join(sorted(available))
    return _diagnostic(
        "codecs",
        not missing,
        summary,
        "pip install --force-reinstall av: its wheel has all of them",
    )


def check_model_files(
    models_dir: Path | None, provider: Provider, added: Path | None = None
) -> Iterator[Diagnostic]:
    """Check each model's checksum, signature and golden scores, and report where added models are
    read from."""
    try:
        checks = check_models(models_dir, added=added, provider=provider)
    except SetupError as error:
        yield _diagnostic("models", False, "none", str(error))
        return
    if not checks:
        yield _diagnostic(
            "models",
            False,
            "none",
            "the installed package has no models: install it again, or set models.dir",
        )
    if added is not None:
        yield _diagnostic("added models", True, f"read from {added}", "")
    for check in checks:
        summary = (
            "cannot be used"
            if check.largest_difference is None
            else f"golden scores within {check.largest_difference:.5f}"
        )
        yield _diagnostic(f"model {check.name}", check.ok, summary, check.problem)


def check_restrictions(restrictions: Mapping[str, str]) -> Diagnostic:
    """Check the sandbox's restrictions; a value is the reason why one cannot be applied, or
    empty."""
    missing = [f"no {name} ({error})" for name, error in restrictions.items() if error]
    summary = ", ".join(missing or restrictions)
    return _diagnostic(
        "sandbox",
        not missing,
        summary,
        "use a Linux kernel of 5.13 or later with Landlock and seccomp, or run in a container",
    )


def check_shared_memory(path: Path, least: int = MIN_SHARED_BYTES) -> Diagnostic:
    """Check the free space of the file system that holds shared memory."""
    if not path.is_dir():
        return _diagnostic(
            "shared memory", False, f"{path} is not there", f"mount a tmpfs on {path}"
        )
    facts = os.statvfs(path)
    free = facts.f_bavail * facts.f_frsize
    remedy = f"{least >> 20} MiB are needed: make {path} larger (docker run --shm-size=1g)"
    return _diagnostic("shared memory", free >= least, f"{free >> 20} MiB free on {path}", remedy)


def check_sqlite(found: tuple[int, ...] | None) -> Diagnostic:
    """Check the SQLite of the service's journal; older ones can corrupt it."""
    wanted = ".".join(map(str, OLDEST_SQLITE))
    if found is None:
        return _diagnostic("sqlite", False, "not installed", "pip install pysqlite3")
    text = ".".join(map(str, found))
    remedy = f"{wanted} or newer is needed by the service: pip install --upgrade pysqlite3"
    return _diagnostic("sqlite", found >= OLDEST_SQLITE, text, remedy)


def check_data_folder(data: Path, refuse_below: float) -> Diagnostic:
    """Check the disk of the service's data folder, which need not exist yet."""
    place = next(one for one in (data.absolute(), *data.absolute().parents) if one.exists())
    facts = os.statvfs(place)
    share = facts.f_bavail / max(1, facts.f_blocks)
    is_writable = os.access(place, os.W_OK)
    found = f"{100 * share:.0f} % free at {place}" + ("" if is_writable else ", not writable")
    remedy = (
        f"the service refuses segments below {100 * refuse_below:.0f} % free: free space, or name"
        " another folder with service.data"
        if is_writable
        else f"make {place} writable, or name another folder with service.data"
    )
    return _diagnostic("data folder", is_writable and share > refuse_below, found, remedy)


def _diagnostic(name: str, ok: bool, found: str, remedy: str) -> Diagnostic:
    return Diagnostic(name=name, ok=ok, found=found, remedy="" if ok else remedy)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
