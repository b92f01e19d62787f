"""One child process as its parent sees it: start it, ask it, wait for its answers, end it.

It is a fresh interpreter and not a fork: threads, locks, open files and secrets of the parent stay
with the parent.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any

from scanner.errors import DecoderDiedError, SetupError
from scanner.media.samples import Decoded, Sample
from scanner.sandbox.border import (
    Frames,
    LieError,
    Rolls,
    burst_from,
    error_from,
    loads,
    walls_from,
    window_from,
)
from scanner.sandbox.channel import Channel, HangUpError
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import shared_memory
from scanner.sandbox.messages import BURSTS, TAKEN, Call, Start
from scanner.sandbox.walls import Walls

__all__ = ["Child"]

_CPU_SIGNALS = (signal.SIGPROF, signal.SIGXCPU)
_GRACE_SECONDS = 2.0
"""Between the end of a connection and the end of its process."""
_KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TZ")
"""All other variables, passwords among them, stay with the parent."""

_TUNING = {
    "OPENBLAS_NUM_THREADS": "1",  # NumPy would start threads when it is imported
    # Frames are megabytes: by default glibc maps and unmaps each, and the kernel zeroes its pages
    # (7 % of a segment's work)
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class Child:
    """A process without rights that does one task at a time."""

    def __init__(
        self, limits: SandboxLimits, tasks: Mapping[str, str], warm_up: str | None
    ) -> None:
        """Start it and wait until its walls stand.

        Raises:
            SetupError: it does not start on this machine, with the reason.
        """
        self._limits = limits
        self._process, self._channel = _spawn()
        try:
            self.walls = self._begin(tasks, warm_up)
        except BaseException:
            self.kill()
            raise
        self.tasks = 0
        """How many it was asked."""
        self.idle = True
        """It waits for a task; otherwise only its answers, or its end, are of use."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """It has not ended yet."""
        return self._process.poll() is None

    def ask(self, call: Call, descriptors: Sequence[int]) -> None:
        """Hand over one task and copies of the descriptors that it needs.

        Raises:
            DecoderDiedError: nobody takes it.
        """
        self.idle, self.tasks = False, self.tasks + 1
        with self._blaming(call):
            self._channel.send(pickle.dumps(call), descriptors, seconds=self._wall_seconds(call))

    def windows(self, call: Call) -> Iterator[Decoded]:
        """The answer to a stream, window by window; the child works on the next one while the
        caller looks at this one.

        Where the call may want bursts, the child keeps what they are made of until the next window
        is asked for.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, passed a limit, or lied.
        """
        frames = Frames(self._memory, call.specs)
        expected = 0
        while (answer := self._answer(call, "window", "end"))[0] == "window":
            with self._blaming(call):
                window = window_from(answer[1], frames, least_index=expected)
            expected = window.index + 1
            if call.bursts:
                yield window
            with self._blaming(call):
                self._channel.send(TAKEN, seconds=self._wall_seconds(call))
            if window.last:
                self._answer(
                    call, "end"
                )  # a caller that stops at the last window leaves the child idle
            if not call.bursts:
                yield window
            if window.last:
                return

    def bursts(self, call: Call, window: Decoded) -> tuple[Sample, ...]:
        """Those of the window given last, in order of time; no window was asked for since.

        Raises:
            InputError, DecoderDiedError: as ``windows``.
        """
        rolls, made = Rolls(self._memory, call.specs), list[Sample]()
        with self._blaming(call):
            self._channel.send(BURSTS, seconds=self._wall_seconds(call))
        while (answer := self._answer(call, "burst", "made"))[0] == "burst":
            with self._blaming(call):
                made.append(burst_from(answer[1], rolls, window=window, before=made))
        return tuple(made)

    def value(self, call: Call) -> Any:
        """The answer of a writer: JSON, not checked beyond that.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, passed a limit, or lied.
        """
        return self._answer(call, "value")[1]

    def kill(self) -> None:
        """End it now, whatever it does; it has nothing to lose. Leaves no zombie."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _begin(self, tasks: Mapping[str, str], warm_up: str | None) -> Walls:
        start = Start(parent=os.getpid(), limits=self._limits, tasks=tasks, warm_up=warm_up)
        with shared_memory(self._limits.buffer_bytes) as buffer:
            self._memory = mmap(buffer, self._limits.buffer_bytes)
            try:
                self._channel.send(
                    pickle.dumps(start), [buffer], seconds=self._limits.start_seconds
                )
                said = loads(self._channel.receive(seconds=self._limits.start_seconds))
            except HangUpError as why:
                cause = _cause(self._process.wait(_GRACE_SECONDS))
                raise SetupError(f"the decoder process ends at its start by {cause}") from why
            except (TimeoutError, ValueError, LieError) as why:
                raise SetupError(f"the decoder process does not start: {why}") from why
        if "failed" in said:
            raise SetupError(f"the decoder process does not start: {said['failed']}")
        return walls_from(said)

    def _answer(self, call: Call, *wanted: str) -> tuple[str, Any]:
        """The next answer and its kind; an error, ``end`` and ``value`` end the task."""
        with self._blaming(call):
            said = loads(self._channel.receive(seconds=self._wall_seconds(call)))
            if "error" in said:
                error = error_from(said["error"])
                self.idle = error.kind not in ("decoder_died", "limit_memory")
                raise error
            for kind in wanted:
                if kind in said:
                    self.idle = kind in ("end", "value")
                    return kind, said[kind]
            raise LieError(f"{sorted(said)[:3]} where {' or '.join(wanted)} belongs")

    @contextlib.contextmanager
    def _blaming(self, call: Call) -> Iterator[None]:
        """Say what became of the child while it worked on ``call``."""
        try:
            yield
        except TimeoutError as why:
            message = f"{call.name}: decoder gave nothing for {self._wall_seconds(call):g} s"
            raise DecoderDiedError(message, kind="limit_time") from why
        except HangUpError as why:
            raise self._death(call) from why
        except (LieError, ValueError) as why:
            raise DecoderDiedError(f"{call.name}: decoder answered {why}") from why

    def _death(self, call: Call) -> DecoderDiedError:
        try:
            status = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return DecoderDiedError(f"{call.name}: decoder hung up")
        if -status in _CPU_SIGNALS:
            return DecoderDiedError(
                f"{call.name}: decoder used more than {self._cpu_limit(call)}", kind="limit_cpu"
            )
        return DecoderDiedError(f"{call.name}: decoder ended by {_cause(status)}")

    def _wall_seconds(self, call: Call) -> float:
        return self._limits.write_wall_seconds if call.writes else self._limits.wall_seconds

    def _cpu_limit(self, call: Call) -> str:
        if call.writes:
            return f"{self._limits.write_cpu_seconds:g} s of processor time for one file"
        return f"{self._limits.cpu_seconds:g} s of processor time for one window"


def _cause(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"


def _spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """A child that waits for its ``Start``, and our end of the connection."""
    environment = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    command = [sys.executable, "-P", "-s", "-m", "scanner.sandbox"]
    quiet = subprocess.DEVNULL
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=quiet,
                stderr=quiet,
                env=environment | _TUNING,
                start_new_session=True,
            )
    except OSError as why:
        ours.close()
        raise SetupError(f"the decoder process does not start: {why}") from why
    return process, Channel(ours)
