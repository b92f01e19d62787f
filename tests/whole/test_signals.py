"""A scan that is ended from outside ends at once, says nothing, and leaves no process behind."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, sample_media: Media) -> Path:
    """Takes longer than any of these tests: the same 22 s again and again, so that the clock jumps
    back each time."""
    path = tmp_path_factory.mktemp("long") / "long.ts"
    path.write_bytes(sample_media("ts_long_gop").path.read_bytes() * 500)
    return path


@pytest.fixture
def scan(long: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scan that is at work: its first lines were read."""
    arguments = ("scan", "--json", "--max-gap", "0.1", "--min-gap", "0.1", str(long))
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
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_the_scan_and_its_decoder(
    number: signal.Signals, status: int, scan: subprocess.Popen[bytes]
) -> None:
    (decoder,) = psutil.Process(scan.pid).children()

    os.kill(scan.pid, number)
    _, err = scan.communicate(timeout=10)

    assert scan.returncode == status
    assert err == b""
    assert psutil.wait_procs([decoder], timeout=10)[1] == []


def test_ctrl_c_in_a_terminal_reaches_the_decoder_too_and_ends_all(
    scan: subprocess.Popen[bytes],
) -> None:
    (decoder,) = psutil.Process(scan.pid).children()

    os.killpg(scan.pid, signal.SIGINT)
    _, err = scan.communicate(timeout=10)

    assert scan.returncode == 130
    assert err == b""
    assert psutil.wait_procs([decoder], timeout=10)[1] == []


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
