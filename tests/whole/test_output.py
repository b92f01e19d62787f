"""The reader of the output may be closed, full, of another encoding, or gone."""

from __future__ import annotations

import json
import os
import pty
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from samples.facts import SampleFile
from scanner.report.text import plain

from .program import WITHOUT_MODELS, run

Media = Callable[[str], SampleFile]


@pytest.mark.parametrize("arguments", [("scan", "--json"), ("scan",)], ids=" ".join)
def test_a_full_disk_is_told_in_one_line(arguments: tuple[str, ...], sample_media: Media) -> None:
    with open("/dev/full", "wb") as full:
        ended = run(
            *arguments, sample_media("ts_h264").path, stdout=full.fileno(), extra=WITHOUT_MODELS
        )

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        b"streamwarden: standard output: No space left on device"
    )
    assert b"Traceback" not in ended.stderr


def test_a_full_disk_under_a_recording_is_told_with_its_path(sample_media: Media) -> None:
    ended = run(
        *("scan", "--json", "--record", "/dev/full"),
        sample_media("ts_h264").path,
        extra=WITHOUT_MODELS,
    )

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        b"streamwarden: /dev/full: cannot be written: No space left on device"
    )


def test_a_closed_output_is_told_before_work_begins(sample_media: Media) -> None:
    ended = run("scan", sample_media("ts_h264").path, shell='exec "$@" >&-', extra=WITHOUT_MODELS)

    assert ended.returncode == 2
    assert ended.stderr == b"streamwarden: standard output is closed; redirect it\n"


def test_a_reader_that_leaves_ends_the_scan_quietly(sample_media: Media) -> None:
    path = sample_media("ts_long_gop").path
    command = '("$@"; echo $? >&2) | head -n 1'

    ended = run(
        "scan",
        "--json",
        *(f"{path.parent}/{'./' * n}{path.name}" for n in range(40)),
        shell=command,
        extra=WITHOUT_MODELS,
    )

    assert json.loads(ended.stdout)["at"] == 0.0
    assert ended.stderr == b"141\n"


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii", "latin-1"])
def test_a_name_of_any_bytes_is_told_in_any_encoding(
    encoding: str, tmp_path: Path, sample_media: Media
) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff\xfe \xe5\xbd\xb1 \x1b[31m\n.ts")
    shutil.copyfile(sample_media("ts_h264").path, name)

    ended = run("scan", "--json", name, extra={**WITHOUT_MODELS, "PYTHONIOENCODING": encoding})

    assert ended.returncode == 0
    assert {os.fsencode(json.loads(row)["path"]) for row in ended.stdout.splitlines()} == {name}


def test_an_incident_of_a_name_of_any_bytes_has_a_report(tmp_path: Path, card: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"\xff<b>.ts")
    shutil.copyfile(card, name)

    ended = run(
        "scan",
        "--json",
        "--out",
        tmp_path / "out",
        name,
        extra={**WITHOUT_MODELS, "PYTHONIOENCODING": "ascii"},
    )

    assert ended.returncode == 3
    assert b"&lt;b&gt;.ts" in (tmp_path / "out" / "report.html").read_bytes()
    json.loads((tmp_path / "out" / "report.json").read_text("ascii"))


@pytest.mark.parametrize("where", ["", "/below"], ids=["a file", "below a file"])
def test_a_report_that_cannot_be_written_is_told_before_work_begins(
    where: str, tmp_path: Path, sample_media: Media
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")

    ended = run(
        "scan",
        "--json",
        "--out",
        f"{taken}{where}",
        sample_media("ts_h264").path,
        extra=WITHOUT_MODELS,
    )

    assert ended.returncode == 2
    assert ended.stdout == b""
    assert b"cannot be written to" in ended.stderr
    assert ended.stderr.count(b"\n") == 1
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("name", ["[/x].ts", "[red]a[/].ts", "\x1b]0;owned\x07\x1b[2J.ts"])
def test_a_terminal_shows_any_name_to_the_end_of_the_scan(
    name: str, tmp_path: Path, sample_media: Media
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(sample_media("ts_h264").path, path)
    primary, terminal = pty.openpty()

    with open(primary, "rb", buffering=0):
        ended = run("scan", path, stdout=terminal, extra=WITHOUT_MODELS)
        os.close(terminal)
        shown = read_terminal(primary)

    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    assert b"\x1b]" not in shown
    assert plain(name).encode() in b"".join(shown.split())


def read_terminal(descriptor: int) -> bytes:
    """Return what was written to a terminal that no process has open any more."""
    parts = list[bytes]()
    with suppress(OSError):
        while part := os.read(descriptor, 65536):
            parts.append(part)
    return b"".join(parts)


def test_what_a_scan_leaves_is_for_its_owner_alone(tmp_path: Path, card: Path) -> None:
    out = tmp_path / "new" / "out"

    run(
        *("scan", "--json", "--out", out, "--record", tmp_path / "record.jsonl", card),
        shell='umask 000; exec "$@"',
        extra=WITHOUT_MODELS,
    )

    left = [out.parent, out, *out.rglob("*"), tmp_path / "record.jsonl"]
    assert len(left) > 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in left if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in left if path.is_file()} == {0o600}
