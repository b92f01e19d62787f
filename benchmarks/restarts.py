"""The web process restarted again and again under encoders: ``python -m benchmarks.restarts``.

Real ``ffmpeg -f hls`` pushes to ``/ingest``, with a connection for each object and with one that
stays (``-http_persistent 1``), MPEG-TS and fMP4. The web process is killed and ended by SIGTERM in
turns. The encoders run until they are asked to end. Exits with status 1 if one ends before that or
with an error, or if a segment of a stream is neither scored nor a gap that is recorded. Encoders
whose connection stays have ``-ignore_io_errors 1``: without it, FFmpeg ends by itself when such a
connection is lost.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.turns import print_machine
from tests.whole.service import SETTLE_SECONDS, RunningService, running_service
from tests.whole.test_push_encoders import PushedStream, encoders, new_key, pushed_streams

SEGMENT_SECONDS = 2
PICTURE = "testsrc2=size=160x120:rate=5"
CODECS = [
    *("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"),
    *("-g", "10", "-keyint_min", "10", "-sc_threshold", "0"),
]
START_SECONDS = 60.0
INTERRUPTED = 255
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
FORMS = tuple((muxer, persistent) for persistent in (0, 1) for muxer in ("mpegts", "fmp4"))


def main() -> int:
    """Push, restart, compare and print; return the exit status."""
    options = _options()
    print_machine()
    kinds = [FORMS[n % 2 + 2 * (n < options.persistent)] for n in range(options.encoders)]
    with tempfile.TemporaryDirectory() as name, running_service(Path(name) / "data") as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        key = new_key(service)
        commands = [_command(service.address, key, n, one) for n, one in enumerate(kinds)]
        with encoders(commands) as started:
            time.sleep(8)
            taken = [_restart(service, n, options.seconds) for n in range(options.restarts)]
            early = Counter(kinds[n] for n, one in enumerate(started) if one.poll() is not None)
            for one in started:
                one.send_signal(signal.SIGINT)  # the rest of the stream, and its end
            ended = [_wait(one) for one in started]
        service.wait_for(lambda: _is_over(service, len(kinds)), SETTLE_SECONDS, "ended")
        found = pushed_streams(service.data)
    return _print(taken, kinds, early, ended, found)


def _print(
    taken: Sequence[float],
    kinds: Sequence[tuple[str, int]],
    early: Counter[tuple[str, int]],
    ended: Sequence[int | None],
    found: dict[str, PushedStream],
) -> int:
    print(
        f"{len(taken)} restarts of web, half of them SIGKILL, without answers for"
        f" {sorted(taken)[len(taken) // 2]:.1f} s each, at most {max(taken):.1f} s"
    )
    for kind, count in sorted(Counter(kinds).items()):
        muxer, persistent = kind
        how = "one connection" if persistent else "a connection for each object"
        failed = sum(status != 0 for one, status in zip(kinds, ended, strict=True) if one == kind)
        print(
            f"  {count} encoders, {muxer}, {how}: {early[kind]} ended by themselves,"
            f" {failed} with an error"
        )
    total = Counter[str]()
    lengths = [one.sequences for one in found.values()]
    fewest, most = min(lengths, default=0), max(lengths, default=0)
    unknown = 0
    for one in found.values():
        total += Counter(sequences=one.sequences, scored=len(one.scored), gaps=len(one.lost))
        unknown += len(set(range(one.sequences)) - one.scored - one.lost)
    print(
        f"  {dict(total)} in {len(found)} streams, of {fewest} to {most} segments each;"
        f" {unknown} sequences without a verdict"
    )
    has_failed = early.total() > 0 or any(status != 0 for status in ended)
    return int(has_failed or unknown > 0 or len(found) < len(kinds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0, help="of answers between restarts")
    parser.add_argument("--encoders", type=int, default=20)
    parser.add_argument("--persistent", type=int, default=4, help="of them with one connection")
    return parser.parse_args()


def _command(address: str, key: str, number: int, kind: tuple[str, int]) -> list[str]:
    """Return the command of an encoder that runs until it is asked to end."""
    muxer, persistent = kind
    where = f"{address}/ingest/encoder-{number}/{key}/index.m3u8"
    return [
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", PICTURE),
        *CODECS,
        *("-f", "hls", "-hls_segment_type", muxer, "-hls_time", str(SEGMENT_SECONDS)),
        *("-method", "PUT", "-http_persistent", str(persistent)),
        *("-ignore_io_errors", str(persistent), where),
    ]


def _restart(service: RunningService, number: int, seconds: float) -> float:
    """End the web process, and wait until another one has answered for some seconds; return how
    long nothing was answered."""
    before = _web(service)
    for pid in before:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGNALS[number % 2])
    began = time.monotonic()
    service.wait_for(lambda: bool(set(_web(service)) - set(before)), START_SECONDS, "web")
    service.wait_for(lambda: _answers(service), START_SECONDS, "an answer")
    away = time.monotonic() - began
    time.sleep(seconds)
    return away


def _answers(service: RunningService) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{service.address}/healthz", timeout=1).status_code == 200
    return False


def _web(service: RunningService) -> list[int]:
    return [pid for pid, name in service.processes().items() if name == "web"]


def _wait(encoder: subprocess.Popen[bytes]) -> int | None:
    """Return the status of an encoder that was asked to end; 255 is that of SIGINT."""
    with suppress(subprocess.TimeoutExpired):
        status = encoder.wait(START_SECONDS)
        return 0 if status == INTERRUPTED else status
    return None


def _is_over(service: RunningService, channels: int) -> bool:
    """Return whether each stream has ended, and each of its sequences has a verdict."""
    found = pushed_streams(service.data)
    return len(found) <= channels and all(
        one.state == "ended" and one.scored | one.lost == set(range(one.sequences))
        for one in found.values()
    )


if __name__ == "__main__":
    sys.exit(main())
