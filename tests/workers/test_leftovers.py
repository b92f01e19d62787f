"""What a killed process left is removed by the next one, and nothing else is."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from workers import leftovers
from workers.leftovers import CLUSTER_VARIABLE, end_processes, private_folder, remove_leftovers


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all clusters' folders."""
    monkeypatch.setattr(leftovers, "_parent_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def abandoned(parent: Path) -> Callable[[], Path]:
    """Return a function that makes the folder of a cluster whose process was killed."""

    def make() -> Path:
        kept = parent / "kept"
        with private_folder() as folder:
            shutil.copytree(folder, kept)
        kept.rename(folder)
        return folder

    return make


@pytest.fixture
def orphan(abandoned: Callable[[], Path]) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A folder, and a process of its cluster that runs: its environment can be read."""
    folder = abandoned()
    environment = {**os.environ, CLUSTER_VARIABLE: str(folder)}
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"started\n")
        process.stdin.flush()
        process.stdout.readline()
        yield folder, process
        process.kill()


def test_the_folder_and_the_processes_of_a_killed_process_are_removed(
    orphan: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    folder, process = orphan

    remove_leftovers()

    assert process.wait(10) == -signal.SIGKILL
    assert not folder.exists()


def test_a_process_that_is_just_starting_its_program_is_ended_as_well(
    orphan: tuple[Path, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, process = orphan
    without_environment: Iterator[list[int]] = iter([[]])
    look = leftovers._processes_of

    def first_without(folder: Path) -> list[int]:
        return next(without_environment, look(folder))

    monkeypatch.setattr(leftovers, "_processes_of", first_without)

    end_processes(folder)

    assert process.wait(10) == -signal.SIGKILL


def test_the_folder_of_a_living_process_is_left(parent: Path) -> None:
    with private_folder() as folder:
        remove_leftovers()

        assert (folder / "lock").exists()
    assert not folder.exists()


def readable(folder: Path) -> None:
    folder.chmod(0o755)


def other_lock(folder: Path) -> None:
    (folder / "lock").write_text("")


def linked_lock(folder: Path) -> None:
    (folder / "lock").rename(folder / "real")
    (folder / "lock").symlink_to("real")


def pipe_as_lock(folder: Path) -> None:
    (folder / "lock").unlink()
    os.mkfifo(folder / "lock")


def renamed(folder: Path) -> None:
    folder.rename(folder.with_name("sw-other"))


def linked(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change", [readable, other_lock, linked_lock, pipe_as_lock, renamed, linked]
)
def test_what_is_not_provably_ours_is_left(
    change: Callable[[Path], None], parent: Path, abandoned: Callable[[], Path]
) -> None:
    change(abandoned())
    before = sorted(parent.rglob("*"))

    remove_leftovers()

    assert sorted(parent.rglob("*")) == before


def test_a_folder_that_another_process_is_removing_is_left_to_it(
    abandoned: Callable[[], Path],
) -> None:
    folder = abandoned()

    with open(folder / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers()

        assert folder.exists()


def test_folders_may_vanish_while_they_are_looked_at(
    parent: Path, abandoned: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = abandoned(), abandoned()
    found = [one / "lock" for one in (first, parent / "sw-gone", second)]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(found))

    def end_and_vanish(folder: Path) -> None:
        for path in (first, second):
            shutil.rmtree(path, ignore_errors=True)

    monkeypatch.setattr(leftovers, "end_processes", end_and_vanish)

    remove_leftovers()

    assert not first.exists()


def test_processes_of_other_clusters_live_on(
    orphan: tuple[Path, subprocess.Popen[bytes]], parent: Path
) -> None:
    _, process = orphan

    end_processes(parent / "sw-another")

    assert process.poll() is None


def test_a_folder_is_private() -> None:
    with ExitStack() as folders:
        folder = folders.enter_context(private_folder())

        assert folder.stat().st_mode & 0o777 == 0o700
