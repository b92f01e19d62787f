"""The zygote: ``python -m scanner.sandbox``, with its parent on standard input.

    start --> import tasks, warm up --> ready --> wait for a message <-----------+
                                                    |-- FORK: fork a child -------|
                                                    |-- EndMessage: reap a child -+
                                                    `-- SERVE: become the child

It is a template: everything that decoding needs is imported and warmed up once, and each child is
a copy. It has one thread, no secrets of its parent, and reads what its parent sends and nothing
else, so that every copy begins clean. A child raises its restrictions after the fork (``child``).

Libraries that start threads when they are imported cannot be forked: then the process itself
becomes the one child (SERVE). It exits when its parent disconnects, and its children die with it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from scanner.sandbox.channel import Channel, DisconnectedError, to_parent
from scanner.sandbox.child import Task, serve
from scanner.sandbox.privileges import drop_privileges
from scanner.sandbox.protocol import FORK, SERVE, EndMessage, StartMessage, dump_message
from scanner.sandbox.restrictions import exit_with_parent

__all__ = ["main"]

_POLL_SECONDS = 0.001
"""Time between two checks of a child that is about to end."""


class _Birth(NamedTuple):
    """The values that a new child begins with."""

    connection: int
    """Descriptor of its end of the connection."""
    buffer: int
    """Descriptor of the shared memory."""


def main() -> None:
    """Fork children until the parent disconnects; in each child, serve tasks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    control = to_parent()
    try:
        start, tasks = _prepare(control)
        birth = _obey(control)
        control.detach()
        # the child's connection takes the place of the zygote's, which is closed by that
        os.dup2(birth.connection, 0)
        os.close(birth.connection)
        serve(to_parent(), start.limits, tasks, birth.buffer)
    except DisconnectedError:
        pass
    os._exit(0)  # tearing down the interpreter would copy the pages that are shared with siblings


def _prepare(control: Channel) -> tuple[StartMessage, Mapping[str, Task]]:
    """Load everything that children need, and report it to the parent."""
    start: StartMessage = pickle.loads(control.receive())
    exit_with_parent(start.parent)
    try:
        tasks = {name: _load_function(entry) for name, entry in start.tasks.items()}
        if start.warm_up is not None:
            _load_function(start.warm_up)()
    except Exception as error:  # the parent must learn of any error before this process ends
        control.send(dump_message({"failed": f"{type(error).__name__}: {error}"}))
        raise
    with contextlib.suppress(OSError):  # a child tries again, and reports what remains
        drop_privileges()
    exit_with_parent(start.parent)  # again, as a change of the user has cancelled it
    gc.collect()
    # Later collections visit only what a task made: they cost next to nothing, and do not touch the
    # pages that children share
    gc.freeze()
    control.send(dump_message({"threads": len(os.listdir("/proc/self/task"))}))
    return start, tasks


def _obey(control: Channel) -> _Birth:
    """Fork and reap children as the parent asks; return in each child, with what it begins with."""
    zygote = os.getpid()
    while True:
        with control.receive_with_descriptors() as (body, descriptors):
            if body == SERVE:
                return _Birth(*map(os.dup, descriptors))
            if body == FORK:
                birth = _fork(control, zygote, descriptors)
                if birth is not None:
                    return birth
                continue
            end: EndMessage = pickle.loads(body)
        control.send(dump_message(_end_child(end)))


def _fork(control: Channel, zygote: int, descriptors: Sequence[int]) -> _Birth | None:
    """Fork a child and report its process id. Returns what it begins with in the child, and None in
    the zygote."""
    try:
        pid = os.fork()
    except OSError as error:
        control.send(dump_message({"failed": str(error)}))
        return None
    if pid == 0:
        exit_with_parent(zygote)
        return _Birth(*map(os.dup, descriptors))
    control.send(dump_message({"pid": pid}))
    return None


def _end_child(end: EndMessage) -> dict[str, object]:
    """Wait until a child has ended, kill it if it takes too long, and return its exit status."""
    deadline = time.monotonic() + end.patience
    while True:
        pid, status = os.waitpid(end.pid, os.WNOHANG)
        if pid:
            return {"status": os.waitstatus_to_exitcode(status), "killed": False}
        if time.monotonic() >= deadline:
            os.kill(end.pid, signal.SIGKILL)
            _, status = os.waitpid(end.pid, 0)
            return {"status": os.waitstatus_to_exitcode(status), "killed": True}
        time.sleep(_POLL_SECONDS)


def _load_function(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
