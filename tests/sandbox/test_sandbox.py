"""A child that works correctly: its input, its output, and that it leaves nothing in its parent."""

from __future__ import annotations

import gc
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from scanner.errors import DamagedError, InputError, LimitError, RefusedError, SetupError
from scanner.media.samples import DecodedWindow
from scanner.sandbox.channel import Channel
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import LARGE, SMALL, TASKS, window
from tests.sandbox.requests import MANY, SPECS, STREAM, child_of, decode


def assert_same(left: DecodedWindow, right: DecodedWindow) -> None:
    assert left.times == right.times
    assert (left.index, left.unseen, left.info, left.discontinuity, left.last) == (
        right.index,
        right.unseen,
        right.info,
        right.discontinuity,
        right.last,
    )
    for ours, theirs in zip(left.samples, right.samples, strict=True):
        assert (ours.at, ours.pts, ours.keyframe) == (theirs.at, theirs.pts, theirs.keyframe)
        for spec in SPECS:
            np.testing.assert_array_equal(ours.images[spec], theirs.images[spec])


def test_windows_come_back_as_they_were_made(sandbox: Sandbox) -> None:
    got = decode(sandbox, 3)

    for index, decoded in enumerate(got):
        assert_same(decoded, window(index, last=index == 2))


def test_images_stay_the_callers_own_when_the_buffer_is_used_again(sandbox: Sandbox) -> None:
    stream = sandbox.stream("windows", [b"media"], 5, specs=SPECS, name="x", bounds=MANY)
    first = next(stream)

    list(stream)

    assert_same(first, window(0))


def test_a_child_is_started_once_and_reused(sandbox: Sandbox) -> None:
    child = child_of(sandbox)

    decode(sandbox, 2)

    assert child_of(sandbox) == child


def test_a_child_is_replaced_after_max_tasks(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(max_tasks=2)
    first = child_of(sandbox)

    pids = []
    for _ in range(4):
        decode(sandbox, 1)
        pids.append(sandbox.pids[STREAM])

    assert pids[0] == first.pid
    assert pids[1] == pids[2] != pids[0]
    assert pids[3] != pids[2]


def test_sources_are_read_from_memory_and_from_files(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "media"
    path.write_bytes(b"on disk")

    with tempfile.TemporaryFile() as output:
        got = sandbox.call("contents", [b"in memory", path], None, output=output, name="x")

    assert got == ["in memory", "on disk"]


def test_a_writer_fills_the_file_that_its_parent_opened(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "clip"

    with path.open("w+b") as output:
        written = sandbox.call("copy", [b"abc"], 1_000_000, output=output, name="x")

    assert written == 3_000_000
    assert path.read_bytes() == b"abc" * 1_000_000


def test_a_child_that_wrote_a_file_cannot_change_it_later(sandbox: Sandbox) -> None:
    child = child_of(sandbox)

    with tempfile.TemporaryFile() as output:
        sandbox.call("copy", [b"abc"], 1, output=output, name="x", stream=STREAM)

    assert not child.is_running()


def test_a_writer_that_writes_too_much_is_stopped(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = make_sandbox(output_bytes=10_000)

    with (
        (tmp_path / "clip").open("w+b") as output,
        pytest.raises(LimitError, match=r"x: .*10000 bytes") as caught,
    ):
        sandbox.call("copy", [b"abc"], 1_000_000, output=output, name="x")

    assert caught.value.kind == "limit_bytes"


def test_an_error_in_the_child_is_raised_in_the_parent_and_the_child_is_replaced(
    sandbox: Sandbox,
) -> None:
    child = child_of(sandbox)
    stream = sandbox.stream(
        "fail", [b""], "damaged", specs=SPECS, name="x", bounds=MANY, stream=STREAM
    )
    next(stream)

    with pytest.raises(DamagedError, match="x: torn"):
        next(stream)

    assert not child.is_running()


def test_more_samples_than_the_buffer_holds_are_refused(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = make_sandbox(
        buffer_bytes=10 * (SMALL.width * SMALL.height + LARGE.width * LARGE.height) * 3
    )

    (decoded,) = sandbox.stream("too_many", [b""], 10, specs=SPECS, name="x", bounds=MANY)
    with pytest.raises(LimitError, match="11 samples in one window, limit is 10") as caught:
        list(sandbox.stream("too_many", [b""], 11, specs=SPECS, name="x", bounds=MANY))

    assert len(decoded.samples) == 10
    assert caught.value.kind == "limit_frames"


def test_a_stream_left_early_does_not_affect_the_next_one(sandbox: Sandbox) -> None:
    stream = sandbox.stream("windows", [b""], 10, specs=SPECS, name="x", bounds=MANY)
    next(stream)
    stream.close()

    got = decode(sandbox, 2)

    assert [decoded.index for decoded in got] == [0, 1]


def test_a_stream_left_at_its_last_window_keeps_the_child(sandbox: Sandbox) -> None:
    child = child_of(sandbox)

    for decoded in sandbox.stream(
        "windows", [b""], 2, specs=SPECS, name="x", bounds=MANY, stream=STREAM
    ):
        if decoded.last:
            break

    assert child_of(sandbox) == child
    assert len(decode(sandbox, 2)) == 2


def test_two_tasks_of_one_stream_at_once_are_an_error_of_the_caller(sandbox: Sandbox) -> None:
    stream = sandbox.stream("windows", [b""], 10, specs=SPECS, name="x", bounds=MANY, stream=STREAM)
    next(stream)

    with pytest.raises(RuntimeError, match="one task at a time"):
        decode(sandbox, 1)

    assert len(list(stream)) == 9


def test_a_missing_file_is_the_senders_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x: cannot be opened: No such file"):
        list(sandbox.stream("windows", [tmp_path / "none"], 1, specs=SPECS, name="x", bounds=MANY))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_only_regular_files_are_opened(
    make: Callable[[Path], None], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "odd"
    make(path)

    with pytest.raises(RefusedError, match="x: not a regular file"):
        list(sandbox.stream("windows", [path], 1, specs=SPECS, name="x", bounds=MANY))


def test_a_task_that_cannot_be_imported_is_the_operators_fault() -> None:
    with (
        Sandbox(tasks={"decode": "no_such_module:decode"}, warm_up=None) as sandbox,
        pytest.raises(SetupError, match=r"does not start: .*no_such_module"),
    ):
        decode(sandbox, 1)


def test_a_python_that_cannot_be_run_is_the_operators_fault(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")

    with pytest.raises(SetupError, match=r"does not start: .*No such file"):
        decode(sandbox, 1)


def test_a_process_that_is_killed_at_its_start_is_started_once_more() -> None:
    warm_up = "tests.sandbox.hostile_tasks:be_killed_at_first_start"

    with Sandbox(tasks={}, warm_up=warm_up) as sandbox:
        assert sandbox.restrictions.active


@pytest.mark.parametrize("tasks", [TASKS, {"windows": "tests.sandbox.threaded_task:windows"}])
@pytest.mark.parametrize("number", [1, 2])
def test_a_process_that_is_killed_before_a_message_is_replaced(
    tasks: Mapping[str, str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process ends before its first message is sent, or before it is asked for a child."""
    sent, send = [], Channel.send
    others = psutil.Process().children()

    def kill_first(
        self: Channel, body: bytes, descriptors: Sequence[int] = (), **wait: Any
    ) -> None:
        sent.append(body)
        if len(sent) == number:
            (victim,) = (one for one in psutil.Process().children() if one not in others)
            victim.kill()
            os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
        send(self, body, descriptors, **wait)

    monkeypatch.setattr(Channel, "send", kill_first)

    with Sandbox(tasks=tasks, warm_up=None) as sandbox:
        assert sandbox.restrictions.active


def test_a_process_that_is_always_killed_at_its_start_is_the_operators_fault() -> None:
    with (
        Sandbox(tasks={}, warm_up="tests.sandbox.hostile_tasks:be_killed") as sandbox,
        pytest.raises(SetupError, match="the decoder process ends at its start by SIGKILL"),
    ):
        decode(sandbox, 1)


def test_a_child_that_ends_at_its_start_is_the_operators_fault() -> None:
    with (
        Sandbox(tasks={}, warm_up="os:abort") as sandbox,
        pytest.raises(SetupError, match="the decoder process ends at its start by SIGABRT"),
    ):
        decode(sandbox, 1)


def test_closing_twice_is_allowed_and_leaves_no_process(sandbox: Sandbox) -> None:
    child = child_of(sandbox)

    sandbox.close()
    sandbox.close()

    assert not child.is_running()


def test_a_thousand_calls_leave_descriptors_and_memory_flat(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = make_sandbox(max_tasks=10_000)
    decode(sandbox, 2)
    gc.collect()
    parent, child = psutil.Process(), child_of(sandbox)
    before = parent.num_fds(), child.num_fds(), child.memory_info().rss

    for _ in range(1000):
        decode(sandbox, 2)

    assert (parent.num_fds(), child.num_fds()) == before[:2]
    assert child.memory_info().rss - before[2] < 2 << 20


def test_replaced_children_leave_no_descriptors_behind(
    make_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = make_sandbox(max_tasks=1)
    decode(sandbox, 1)
    before = psutil.Process().num_fds()

    for _ in range(3):
        decode(sandbox, 1)

    assert psutil.Process().num_fds() == before


def test_each_thread_may_have_its_own_sandbox() -> None:
    counts: list[int] = []

    def work() -> None:
        with Sandbox(
            tasks={"windows": "tests.sandbox.hostile_tasks:windows"}, warm_up=None
        ) as sandbox:
            counts.append(sum(len(decode(sandbox, 3)) for _ in range(5)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [15, 15, 15]


def test_the_parents_environment_stays_with_the_parent(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")

    environment = child_of(sandbox).environ()

    assert "DATABASE_PASSWORD" not in environment


PARENT = """
import sys
import psutil
from tests.sandbox.hostile_tasks import SMALL, LARGE, TASKS
from tests.sandbox.requests import MANY
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
# A virtual machine that stands still for seconds is no failure here: they count as processor time
# of the child that ran at that moment.
limits = SandboxLimits(start_seconds=300, wall_seconds=300, cpu_seconds=300)
sandbox = Sandbox(limits, tasks=TASKS, warm_up=None)
stream = sandbox.stream(sys.argv[1], [b""], None, specs=[SMALL, LARGE], name="x", bounds=MANY)
next(stream)
print(psutil.Process().children(recursive=True)[-1].pid, flush=True)
next(stream)
"""


@pytest.mark.parametrize("task", ["spin", "hang"])
@pytest.mark.parametrize("form", ["script", "-c"])
def test_a_child_dies_with_its_parent(task: str, form: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    start = [script] if form == "script" else ["-c", PARENT]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    with subprocess.Popen(
        [sys.executable, *start, task], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([child], [], [], 120)
    os.close(child)

    assert ended


@pytest.mark.parametrize(
    "name", ["memory_bytes", "cpu_seconds", "wall_seconds", "max_tasks", "buffer_bytes"]
)
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        SandboxLimits(**{name: float("nan")})
