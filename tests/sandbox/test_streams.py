"""Each stream has a child of its own, forked from a zygote: which child serves which stream, how
long, and what the processes share."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from scanner.errors import DamagedError, DecoderDiedError, SetupError
from scanner.sandbox.sandbox import Sandbox, Windows
from tests.sandbox.hostile_tasks import TASKS, framed, window_message
from tests.sandbox.requests import MANY, SPECS

MakeSandbox = Callable[..., Sandbox]


def start(
    sandbox: Sandbox, stream: str | None, task: str = "windows", count: object = 1
) -> Windows:
    return sandbox.stream(
        task, [b"media"], count, specs=SPECS, name="x", bounds=MANY, stream=stream
    )


def serve(sandbox: Sandbox, *streams: str) -> list[int]:
    """Serve one task of each stream; returns the processes that did."""
    pids = []
    for stream in streams:
        assert len(list(start(sandbox, stream))) == 1
        pids.append(sandbox.pids[stream])
    return pids


def prepare(sandbox: Sandbox) -> psutil.Process:
    """Prepare a sandbox; returns the process that it started."""
    before = psutil.Process().children()
    sandbox.prepare()
    (started,) = [one for one in psutil.Process().children() if one not in before]
    return started


def zygote_of(sandbox: Sandbox) -> psutil.Process:
    (pid, *_) = sandbox.pids.values()
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not ours to reap has ended; its zombie may stay."""
    ended = os.pidfd_open(pid)
    try:
        assert select.select([ended], [], [], 30)[0]
    finally:
        os.close(ended)


def test_a_stream_keeps_its_child_and_shares_it_with_no_other(sandbox: Sandbox) -> None:
    first, second, again = serve(sandbox, "a", "b", "a")

    assert first == again != second


def test_a_source_without_a_stream_has_a_child_of_its_own(sandbox: Sandbox) -> None:
    serve(sandbox, "a")
    zygote = zygote_of(sandbox)

    assert len(list(start(sandbox, None))) == 1

    assert [child.pid for child in zygote.children()] == [sandbox.pids["a"]]


def test_streams_are_served_side_by_side(sandbox: Sandbox) -> None:
    one, other = start(sandbox, "a", count=3), start(sandbox, "b", count=3)

    indexes = [(mine.index, theirs.index) for mine, theirs in zip(one, other, strict=True)]

    assert indexes == [(0, 0), (1, 1), (2, 2)]


def test_the_child_that_was_not_used_for_longest_goes_first(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(max_children=2)
    first, _ = serve(sandbox, "a", "b")

    (again,) = serve(sandbox, "a")
    serve(sandbox, "c")

    assert again == first
    assert list(sandbox.pids) == ["a", "c"]
    assert len(zygote_of(sandbox).children()) == 2


def test_a_child_at_work_is_not_ended_for_another(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(max_children=1)
    windows = start(sandbox, "a", count=3)
    next(windows)

    serve(sandbox, "b")

    assert len(list(windows)) == 2


def test_a_child_that_was_idle_for_too_long_is_replaced(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(idle_seconds=1e-9)

    first, second = serve(sandbox, "a", "a")
    serve(sandbox, "b")

    assert first != second
    assert list(sandbox.pids) == ["b"]


def test_a_child_that_is_idle_for_too_long_ends_by_itself(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(idle_seconds=1e-9)
    (child,) = serve(sandbox, "a")

    wait_for_end(child)


def test_an_answer_that_is_left_over_is_not_the_answer_to_the_next_call(sandbox: Sandbox) -> None:
    (first,) = start(sandbox, "a", "windows_and_more", framed(window_message(index=0)))
    child = sandbox.pids["a"]

    (second,) = start(sandbox, "a")

    assert sandbox.pids["a"] != child
    assert (first.info.codec, second.index) == ("h264", 0)


@pytest.mark.parametrize("call", [0, 2, "1", None])
def test_an_answer_with_the_number_of_another_call_is_refused(
    call: object, sandbox: Sandbox
) -> None:
    message = window_message(call=call)

    with pytest.raises(DecoderDiedError, match="x: decoder sent an answer that is not to call 1"):
        list(start(sandbox, "a", "forge", framed(message)))


def test_siblings_have_no_descriptor_in_common(sandbox: Sandbox) -> None:
    serve(sandbox, "a", "b", "c")

    opened = [links(pid) for pid in [*sandbox.pids.values(), zygote_of(sandbox).pid]]

    assert [len(own) for own in opened] == [2, 2, 2, 1]
    assert len({link for own in opened for link in own}) == 7


def links(pid: int) -> list[str]:
    """Return what the descriptors of a process refer to, but for its two of the null device."""
    found = [
        f"{os.readlink(entry)} {entry.stat().st_ino}" for entry in Path(f"/proc/{pid}/fd").iterdir()
    ]
    return [link for link in found if not link.startswith("/dev/null")]


def test_a_sandbox_that_was_prepared_forks_from_that_process(sandbox: Sandbox) -> None:
    prepared = prepare(sandbox)

    serve(sandbox, "a", "b")

    assert zygote_of(sandbox) == prepared


def test_a_prepared_process_that_is_killed_is_replaced(sandbox: Sandbox) -> None:
    prepared = prepare(sandbox)
    prepared.kill()

    serve(sandbox, "a")

    assert zygote_of(sandbox) != prepared


def test_a_zygote_that_is_killed_is_replaced(sandbox: Sandbox) -> None:
    serve(sandbox, "a", "b")
    children, zygote = [*sandbox.pids.values()], zygote_of(sandbox)

    zygote.kill()
    for child in children:
        wait_for_end(child)

    assert set(serve(sandbox, "a", "b", "c")).isdisjoint(children)
    assert zygote_of(sandbox) != zygote


def test_a_zygote_that_is_killed_costs_the_task_in_hand_and_no_more(sandbox: Sandbox) -> None:
    windows = start(sandbox, "a", "hang", None)
    next(windows)
    zygote_of(sandbox).kill()

    with pytest.raises(DecoderDiedError, match="x: decoder"):
        list(windows)

    assert len(serve(sandbox, "a")) == 1


def test_a_zygote_that_is_stopped_is_replaced(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.sandbox.launcher._ANSWER_SECONDS", 0.1)
    serve(sandbox, "a")
    zygote = zygote_of(sandbox)
    zygote.send_signal(signal.SIGSTOP)

    with pytest.raises(DamagedError):
        list(start(sandbox, "a", "fail", "damaged"))
    serve(sandbox, "b")

    assert not zygote.is_running()


def test_a_zygote_that_does_not_fork_is_replaced(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(start_seconds=6)
    serve(sandbox, "a")
    zygote = zygote_of(sandbox)
    zygote.send_signal(signal.SIGSTOP)

    serve(sandbox, "b")

    assert not zygote.is_running()


def test_a_program_whose_libraries_start_threads_gives_each_child_an_interpreter() -> None:
    entry = "tests.sandbox.threaded_task:windows"

    with Sandbox(tasks={"windows": entry}, warm_up=None) as sandbox:
        (first, second) = serve(sandbox, "a", "b")
        parents = [psutil.Process(pid).ppid() for pid in (first, second)]
        missing = sandbox.restrictions.missing

    assert parents == [os.getpid()] * 2
    assert missing == {"seccomp": "1 threads of a library are outside the filter"}


def test_a_machine_that_has_no_room_for_a_child_gives_a_setup_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        Sandbox(tasks=TASKS, warm_up="tests.sandbox.hostile_tasks:forbid_forks") as sandbox,
        pytest.raises(SetupError, match=r"does not start: .*no room"),
    ):
        serve(sandbox, "a")


PARENT = """
import sys
import psutil
from tests.sandbox.test_streams import start
from tests.sandbox.hostile_tasks import TASKS
from scanner.sandbox.sandbox import Sandbox
sandbox = Sandbox(tasks=TASKS, warm_up=None)
streams = [start(sandbox, str(number), task, None) for number, task in enumerate(sys.argv[1:])]
for stream in streams:
    next(stream)
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
next(streams[0])
"""


def test_no_process_outlives_a_parent_that_is_killed() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    tasks = ["hang", "spin", "hang"]

    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *tasks], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        processes = [os.pidfd_open(pid) for pid in pids]
        parent.kill()

    for process in processes:
        assert select.select([process], [], [], 60)[0]
        os.close(process)
    assert len(pids) == len(tasks) + 1
