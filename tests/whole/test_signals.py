"""A scan that is ended from outside ends at once, keeps what it did, and leaves no process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from samples.facts import SampleFile

from .program import WITHOUT_MODELS, start

Media = Callable[[str], SampleFile]
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, sample_media: Media) -> Path:
    """Takes longer than any of these tests: the same 22 s again and again, so that the clock jumps
    back each time."""
    path = tmp_path_factory.mktemp("long") / "long.ts"
    path.write_bytes(sample_media("ts_long_gop").path.read_bytes() * 500)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def scan(long: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scan that is at work: its first lines were read."""
    options = ("--json", "--max-gap", "0.1", "--min-gap", "0.1", "--out", str(out))
    arguments = ("scan", *options, str(long))
    with start(*arguments, extra=WITHOUT_MODELS) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
    ],
)
def test_a_signal_ends_the_scan_and_its_decoder_and_what_was_done_is_kept(
    number: signal.Signals, status: int, scan: subprocess.Popen[bytes], out: Path, long: Path
) -> None:
    decoders = psutil.Process(scan.pid).children()

    os.kill(scan.pid, number)
    lines, err = scan.communicate(timeout=PATIENCE_SECONDS)

    assert scan.returncode == status
    error, summary = (json.loads(line) for line in lines.splitlines()[-2:])
    assert (error["type"], error["kind"]) == ("error", "interrupted")
    assert (summary["type"], summary["path"]) == ("summary", str(long))
    assert err.startswith(f"interrupted by {number.name}; ".encode())
    (path,) = json.loads((out / "report.json").read_text("ascii"))["paths"]
    assert path["duration"] == summary["duration"]
    assert psutil.wait_procs(decoders, timeout=60)[1] == []


def test_a_scan_that_is_killed_leaves_no_decoder(scan: subprocess.Popen[bytes]) -> None:
    decoders = psutil.Process(scan.pid).children()

    scan.kill()
    scan.communicate(timeout=PATIENCE_SECONDS)

    assert scan.returncode == -signal.SIGKILL
    assert psutil.wait_procs(decoders, timeout=60)[1] == []


def test_ctrl_c_in_a_terminal_reaches_the_decoder_too_and_ends_all(
    scan: subprocess.Popen[bytes],
) -> None:
    decoders = psutil.Process(scan.pid).children()

    os.killpg(scan.pid, signal.SIGINT)
    _, err = scan.communicate(timeout=PATIENCE_SECONDS)

    assert scan.returncode == 130
    assert b"Traceback" not in err
    assert psutil.wait_procs(decoders, timeout=60)[1] == []


def test_a_decoder_that_is_killed_costs_no_frame(sample_media: Media, tmp_path: Path) -> None:
    path = tmp_path / "long.ts"
    path.write_bytes(sample_media("ts_long_gop").path.read_bytes() * 20)
    arguments = ("scan", "--json", "--max-gap", "0.5", str(path))
    with start(*arguments, extra=WITHOUT_MODELS) as undisturbed:
        wanted, _ = undisturbed.communicate(timeout=60)

    with start(*arguments, extra=WITHOUT_MODELS) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        (decoder,) = psutil.Process(process.pid).children()
        decoder.kill()
        rest = process.stdout.read()

    assert (process.returncode, first + rest) == (0, wanted)
