"""A file that others named is a regular file beneath its folder when it is opened, or refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.errors import InputError, LimitError, RefusedError
from scanner.sandbox import opening
from scanner.sandbox.memory import SourceOpener
from scanner.sandbox.opening import read_file
from scanner.types import FileBeneath

CANARY = b"this must never be read"


@pytest.fixture(params=["openat2", "components"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to open a file beneath a folder."""
    way: str = request.param
    if way == "components":
        monkeypatch.setattr(opening, "_has_openat2", lambda: False)
    elif not opening._has_openat2():
        pytest.skip("this kernel has no openat2")
    return way


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, beside one that must never be read."""
    folder = tmp_path / "inner"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.ts").write_bytes(b"a")
    (folder / "deep/b.ts").write_bytes(b"b")
    (tmp_path / "canary.ts").write_bytes(CANARY)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer/b.ts").write_bytes(CANARY)
    return folder


def read(folder: Path, name: str) -> bytes:
    return read_file(FileBeneath(folder, name), name="x", most=100)


@pytest.mark.usefixtures("way")
def test_files_of_the_folder_are_opened(folder: Path) -> None:
    assert read(folder, "a.ts") == b"a"
    assert read(folder, "deep/b.ts") == b"b"


def link_out(folder: Path) -> None:
    (folder / "deep/b.ts").unlink()
    (folder / "deep/b.ts").symlink_to("../../canary.ts")


def absolute_link(folder: Path) -> None:
    (folder / "deep/b.ts").unlink()
    (folder / "deep/b.ts").symlink_to(folder.parent / "canary.ts")


def linked_folder(folder: Path) -> None:
    (folder / "deep").rename(folder / "gone")
    (folder / "deep").symlink_to("../outer")


def magic_link(folder: Path) -> None:
    (folder / "deep").rename(folder / "gone")
    (folder / "deep").symlink_to(f"/proc/{os.getpid()}/cwd")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("swap", [link_out, absolute_link, linked_folder, magic_link])
def test_what_was_swapped_for_a_link_is_refused(swap: Callable[[Path], None], folder: Path) -> None:
    file = FileBeneath(folder, "deep/b.ts")
    swap(folder)

    with pytest.raises(RefusedError, match="x: leads out of its folder"):
        read_file(file, name="x", most=100)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["../canary.ts", "deep/../../canary.ts", "/etc/passwd"])
def test_a_name_that_leads_out_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(RefusedError):
        read(folder, name)


@pytest.mark.usefixtures("way")
def test_a_link_within_the_folder_leads_to_no_other(folder: Path, way: str) -> None:
    (folder / "link.ts").symlink_to("deep/b.ts")

    if way == "openat2":
        assert read(folder, "link.ts") == b"b"
    else:
        with pytest.raises(RefusedError):
            read(folder, "link.ts")


@pytest.mark.usefixtures("way")
def test_what_is_no_regular_file_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.ts")

    for name in ("pipe.ts", "deep"):
        with pytest.raises(RefusedError, match="not a regular file"):
            read(folder, name)
        with pytest.raises(RefusedError, match="not a regular file"):
            read_file(folder / name, name="x", most=100)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["gone.ts", "gone/a.ts", "a.ts/b", "a" * 300, "nul\0.ts"])
def test_a_file_that_is_not_there_is_an_error(name: str, folder: Path) -> None:
    with pytest.raises(InputError):
        read(folder, name)


def test_a_file_over_the_limit_is_refused(folder: Path) -> None:
    (folder / "a.ts").write_bytes(bytes(101))

    with pytest.raises(LimitError, match="over 100 bytes"):
        read(folder, "a.ts")


@pytest.mark.usefixtures("way")
def test_no_race_opens_a_file_elsewhere(folder: Path) -> None:
    over = threading.Event()
    paths = {name: folder / name for name in ("good", "bad")}
    paths["good"].write_bytes(b"good")
    paths["bad"].symlink_to("../canary.ts")

    def swap() -> None:
        while not over.is_set():
            for kind in paths.values():
                copy = folder / "copy"
                os.link(kind, copy, follow_symlinks=False)
                os.replace(copy, folder / "a.ts")

    swapper = threading.Thread(target=swap)
    swapper.start()
    found = set()
    for _ in range(2000):
        try:
            found.add(read(folder, "a.ts"))
        except RefusedError:
            found.add(b"refused")
    over.set()
    swapper.join()

    assert found <= {b"a", b"good", b"refused"}


def test_a_source_is_opened_beneath_its_folder(folder: Path) -> None:
    opener, source = SourceOpener(), FileBeneath(folder, "deep/b.ts")

    with opener.open_sources([source], name="x") as (descriptor,):
        assert os.read(descriptor, 10) == b"b"
    link_out(folder)
    with pytest.raises(RefusedError), opener.open_sources([source], name="x"):
        pass
