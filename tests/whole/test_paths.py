"""Paths without permission, and files that change while they are read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samples.facts import SampleFile

from .program import WITHOUT_MODELS, run, start

Media = Callable[[str], SampleFile]
AS_ANYBODY = (
    'exec setpriv --bounding-set=-dac_override,-dac_read_search "$@"'
    if os.geteuid() == 0
    else 'exec "$@"'
)
"""Root may read everything, unless it gives that right away."""


@pytest.fixture
def barred(tmp_path: Path, sample_media: Media) -> Path:
    """A folder with a readable file, one that is not, a folder that cannot be listed, and one that
    cannot be entered."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    for name in ("open.ts", "shut.ts", "unlisted/a.ts", "unentered/a.ts"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(sample_media("ts_h264").path, tmp_path / name)
    (tmp_path / "shut.ts").chmod(0)
    (tmp_path / "unlisted").chmod(0o311)
    (tmp_path / "unentered").chmod(0o444)
    return tmp_path


def lines(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(row) for row in out.splitlines()]


def test_what_nobody_may_open_is_told_one_by_one_and_the_rest_is_scanned(barred: Path) -> None:
    ended = run("scan", "--json", barred, shell=AS_ANYBODY, extra=WITHOUT_MODELS)

    told = lines(ended.stdout)
    assert ended.returncode == 1
    assert {Path(line["path"]).name for line in told if line["type"] == "summary"} == {"open.ts"}
    assert sorted(
        str(Path(line["path"]).relative_to(barred)) for line in told if line["type"] == "error"
    ) == [
        "shut.ts",
        "unentered/a.ts",
        "unlisted",
    ]
    assert all(
        line["message"].endswith("cannot be opened: Permission denied")
        for line in told
        if line["type"] == "error"
    )


def test_what_is_no_plain_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "device.mp4").symlink_to("/dev/zero")
    (tmp_path / "dangling.mp4").symlink_to("nowhere")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "folder.mp4").mkdir()
    names = ("pipe", "device", "dangling", "loop", "folder")

    ended = run(
        "scan", "--json", *(tmp_path / f"{name}.mp4" for name in names), extra=WITHOUT_MODELS
    )

    assert ended.returncode == 1
    assert [
        (line["type"], Path(line["path"]).stem, line["kind"]) for line in lines(ended.stdout)
    ] == [
        ("error", "pipe", "refused"),
        ("error", "device", "refused"),
        ("error", "dangling", "not_found"),
        ("error", "loop", "not_found"),
        ("error", "folder", "no_media"),
    ]


@pytest.mark.parametrize("change", ["truncated", "emptied", "deleted", "grown", "overwritten"])
def test_a_file_that_changes_while_it_is_read_ends_with_its_summary(
    change: str, tmp_path: Path, sample_media: Media
) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(sample_media("ts_long_gop").path.read_bytes() * 30)
    size = path.stat().st_size

    with start("scan", "--json", "--max-gap", "0.5", path, extra=WITHOUT_MODELS) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        _change(path, change, size)
        *_, summary = lines(process.stdout.read())
        err = process.stderr.read()

    assert process.returncode in (0, 1)
    assert summary["type"] == "summary"
    assert b"Traceback" not in err


def _change(path: Path, change: str, size: int) -> None:
    match change:
        case "truncated":
            os.truncate(path, size // 2)
        case "emptied":
            os.truncate(path, 0)
        case "deleted":
            path.unlink()
        case "grown":
            with path.open("ab") as file:
                file.write(b"\xff" * size)
        case "overwritten":
            with path.open("r+b") as file:
                file.seek(size // 3)
                file.write(os.urandom(size // 3))
