"""A child that its input has taken over: it reaches nothing, its forged messages are refused, and
it is replaced."""

from __future__ import annotations

import itertools
import json
import os
import platform
import select
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from scanner.errors import DecoderDiedError, LimitError
from scanner.sandbox.answers import AnswerBounds
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import framed, window_message
from tests.sandbox.requests import SPECS, STREAM, child_of, decode

MakeSandbox = Callable[..., Sandbox]
ENDLESS = AnswerBounds(windows=10**6)


def run(sandbox: Sandbox, task: str, arguments: object = None) -> None:
    for _ in sandbox.stream(task, [b"media"], arguments, specs=SPECS, name="x", stream=STREAM):
        pass


def assert_works_again(sandbox: Sandbox) -> None:
    assert len(decode(sandbox, 2)) == 2


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="tries system calls by their x86-64 numbers"
)
def test_nothing_outside_can_be_reached_from_the_child(sandbox: Sandbox) -> None:
    assert sandbox.restrictions.is_complete

    with tempfile.TemporaryFile() as output:
        outcomes = sandbox.call("escape", [b"media"], os.getpid(), output=output, name="x")

    assert outcomes.pop("write to its source") == "EBADF"
    assert len(outcomes) == 33
    assert set(outcomes.values()) == {"EPERM"}, outcomes


def test_a_descriptor_is_opened_mapped_and_read_without_its_path(sandbox: Sandbox) -> None:
    with tempfile.TemporaryFile() as output:
        read = sandbox.call("descriptors", [b"media"], None, output=output, name="x")
        written = os.pread(output.fileno(), 10, 0)

    assert (read, written) == (["media"] * 3, b"media")


def test_zygote_and_child_have_no_capability_and_are_not_root(sandbox: Sandbox) -> None:
    child = child_of(sandbox)

    for process in (child, child.parent()):
        rows = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        status = {name: value.strip() for name, value in (row.split(":", 1) for row in rows)}
        assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
        assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split()
        assert status["Threads"] == "1"


def test_a_child_that_is_killed_is_replaced(sandbox: Sandbox) -> None:
    stream = sandbox.stream("hang", [b""], None, specs=SPECS, name="x", stream=STREAM)
    next(stream)
    os.kill(sandbox.pids[STREAM], 9)

    with pytest.raises(DecoderDiedError, match="x: decoder ended by SIGKILL") as caught:
        next(stream)

    assert caught.value.kind == "decoder_died"
    assert_works_again(sandbox)


def test_a_child_that_dies_between_tasks_is_replaced_without_an_error(sandbox: Sandbox) -> None:
    child = child_of(sandbox)
    ended = os.pidfd_open(child.pid)
    child.kill()
    select.select([ended], [], [])
    os.close(ended)

    assert_works_again(sandbox)


@pytest.mark.parametrize(
    ("how", "signal"), [("abort", "SIGABRT"), ("null", "SIGSEGV"), ("real-time", "signal 40")]
)
def test_a_crash_is_named_by_its_signal(how: str, signal: str, sandbox: Sandbox) -> None:
    with pytest.raises(DecoderDiedError, match=f"x: decoder ended by {signal}"):
        run(sandbox, "crash", how)

    assert_works_again(sandbox)


def test_a_busy_loop_is_ended_by_its_processor_time(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(cpu_seconds=0.1)

    with pytest.raises(
        DecoderDiedError, match=r"x: decoder used more than 0.1 s of processor time"
    ) as caught:
        run(sandbox, "spin")

    assert caught.value.kind == "limit_cpu"
    assert_works_again(sandbox)


def test_a_task_that_writes_has_its_own_limit_of_processor_time(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(write_cpu_seconds=0.1)

    with (
        tempfile.TemporaryFile() as output,
        pytest.raises(
            DecoderDiedError,
            match=r"x: decoder used more than 0\.1 s of processor time for one file",
        ),
    ):
        sandbox.call("spin_writing", [], None, output=output, name="x")


def test_a_task_that_sleeps_is_ended_by_the_parents_clock(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(wall_seconds=0.1)

    with pytest.raises(DecoderDiedError, match=r"x: decoder sent nothing for 0.1 s") as caught:
        run(sandbox, "hang")

    assert caught.value.kind == "limit_time"


def test_a_task_that_allocates_is_refused_and_its_child_replaced(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(memory_bytes=500 << 20)
    child = child_of(sandbox)

    with pytest.raises(
        LimitError, match="x: decoding needs more memory than the limit of 500 MiB"
    ) as caught:
        run(sandbox, "allocate", 400 << 20)

    assert caught.value.kind == "limit_memory"
    assert not child.is_running()
    assert_works_again(sandbox)


@pytest.mark.parametrize(("bug", "name"), [("bug", "KeyError"), ("eof", "EOFError")])
def test_a_bug_in_a_task_counts_as_a_death_and_names_its_line(
    bug: str, name: str, sandbox: Sandbox
) -> None:
    with pytest.raises(DecoderDiedError, match=rf"x: {name} in hostile_tasks.py:\d+"):
        run(sandbox, "fail", bug)


def test_a_child_may_not_blame_the_operator(sandbox: Sandbox) -> None:
    with pytest.raises(
        DecoderDiedError, match="SetupError of kind setup, which a decoder may not raise"
    ):
        run(sandbox, "fail", "setup")


VIOLATIONS = {
    "not JSON": b"\x80\x04K\x01.",
    "a list": b"[]",
    "nested without end": b"[" * 100_000,
    "an unknown answer": b'{"call": 1, "hello": 1}',
    "NaN for a number": window_message(index=0).replace(b'"index": 0', b'"index": NaN'),
    "no samples": json.dumps({"call": 1, "window": {"index": 0}}).encode(),
    "a negative index": window_message(index=-1),
    "a boolean index": window_message(index=True),
    "a huge count": window_message(samples=[[0, 1, 0, True]] * 100_000),
    "a time before the window": window_message(samples=[[-1, 1, 0, True]]),
    "a time with no denominator": window_message(samples=[[1, 0, 0, True]]),
    "a time too far away": window_message(samples=[[1 << 60, 1, 0, True]]),
    "times out of order": window_message(samples=[[1, 1, 0, True], [0, 1, 0, True]]),
    "a time that is a float": window_message(samples=[[0.5, 1, 0, True]]),
    "a keyframe of 3": window_message(samples=[[0, 1, 0, 3]]),
    "a time stamp beyond 64 bits": window_message(times=[1 << 64, 0, 1, 1, 1, 90, 33]),
    "a clock that stands still": window_message(times=[0, 0, 1, 1, 0, 1, 33]),
    "a span that ends before it starts": window_message(unseen=[[2, 1, 1, 1, "undecodable"]]),
    "a reason that no decoder gives": window_message(unseen=[[1, 1, 2, 1, "late"]]),
    "a number for a reason": window_message(unseen=[[1, 1, 2, 1, 7]]),
    "a picture wider than any": window_message(info=["mpegts", "h264", 1 << 40, 1080, False]),
    "a codec that is a number": window_message(info=["mpegts", 4, 1920, 1080, False]),
    "a sample after its window": window_message(samples=[[100, 1, 0, True]]),
    "an unseen span after its window": window_message(unseen=[[0, 1, 100, 1, "undecodable"]]),
    "a window that ends after a day": window_message(times=[0, 90, 10**7, 1, 1, 90, 33]),
    "a second window first": window_message(index=1),
    "a first window in the middle": window_message(begins=[5, 1]),
    "a begin before the source": window_message(begins=[-5, 1]),
    "a time too fine": window_message(samples=[[1, 1 << 40, 0, True]]),
    "a still picture with a duration": window_message(info=["a", "b", 1, 1, True]),
    "a still picture of two samples": window_message(
        info=["a", "b", 1, 1, True],
        times=[0, 0, 0, 1, 1, 90, 33],
        samples=[[0, 1, 0, True], [0, 1, 0, True]],
    ),
    "a still picture with a gap": window_message(
        info=["a", "b", 1, 1, True],
        times=[0, 0, 0, 1, 1, 90, 33],
        unseen=[[0, 1, 0, 1, "undecodable"]],
    ),
    "a still picture that continues": window_message(
        info=["a", "b", 1, 1, True], times=[0, 0, 0, 1, 1, 90, 33], last=False
    ),
    "an infinite number": window_message(begins=[0, 1]).replace(b"1920", b"1e400"),
    "a float": window_message(begins=[0, 1]).replace(b"1920", b"1920.0"),
    "a text for a number": window_message(begins=["1e1000000000", 1]),
    "a number of 100 000 digits": window_message().replace(b"1920", b"1" * 100_000),
    "more samples than were asked for": window_message(samples=[[0, 1, 0, True]] * 2001),
    "more unseen spans than fit": window_message(unseen=[[0, 1, 1, 1, "undecodable"]] * 2001),
    "two answers in one": b'{"call": 1, "end": true, "value": 1}',
    "an answer to no call": b'{"end": true}',
    "a key without end": b'{"call": 1, "' + b"x" * 1_000_000 + b'": 1}',
    "an error of an unknown class": b'{"call": 1, "error": ["OSError", "input", "x"]}',
    "an error of an unknown kind": b'{"call": 1, "error": ["DamagedError", "fine", "x"]}',
    "an error of another class's kind": b'{"call": 1, "error": ["DamagedError", "no_video", "x"]}',
    "an error that quarantines": b'{"call": 1, "error": ["QuarantinedError", "quarantined", "x"]}',
    "a number for an error": b'{"call": 1, "error": 5}',
    "an error of two parts": b'{"call": 1, "error": ["InputError", "input"]}',
}


@pytest.mark.parametrize("message", VIOLATIONS.values(), ids=VIOLATIONS)
def test_no_invalid_message_is_accepted(message: bytes, sandbox: Sandbox) -> None:
    with pytest.raises(DecoderDiedError, match="x: decoder sent") as caught:
        run(sandbox, "liar", framed(message))

    assert STREAM not in sandbox.pids
    assert len(str(caught.value)) < 700


def test_the_message_that_the_others_are_made_of_is_accepted(sandbox: Sandbox) -> None:
    end = framed(b'{"call": 1, "end": true}')

    run(sandbox, "liar", framed(window_message()) + end)

    assert STREAM in sandbox.pids


def test_a_source_of_one_window_has_no_second_one(sandbox: Sandbox) -> None:
    with pytest.raises(DecoderDiedError, match=r"x: decoder sent .* more than 1 windows"):
        run(sandbox, "windows", 2)


def test_an_instant_that_was_not_asked_for_is_refused(sandbox: Sandbox) -> None:
    bounds = AnswerBounds(instants=frozenset({Fraction(0), Fraction(1, 2)}))
    windows = sandbox.stream("windows", [b"media"], 1, specs=SPECS, name="x", bounds=bounds)

    with pytest.raises(DecoderDiedError, match="at an instant that was not asked for"):
        next(windows)


def test_windows_that_come_slowly_and_without_end_cost_no_more_than_one_source_may(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(source_seconds=0.5)
    windows = sandbox.stream("drip", [b"media"], 1, specs=SPECS, name="x", bounds=ENDLESS)

    with pytest.raises(
        LimitError, match=r"x: decoding takes more than 0.5 s for one sou"
    ) as caught:
        list(windows)

    assert caught.value.kind == "limit_time"


def test_a_source_that_is_tried_again_has_the_budget_of_its_first_try(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(source_seconds=0.5)
    budget = sandbox.new_budget()

    def try_again_and_again() -> None:
        while True:
            windows = sandbox.stream(
                "drip", [b"media"], 1, specs=SPECS, name="x", bounds=ENDLESS, budget=budget
            )
            list(itertools.islice(windows, 3))

    with pytest.raises(LimitError, match="for one source"):
        try_again_and_again()


def test_answers_without_end_fill_no_memory(
    make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.sandbox.watch._MAX_ANSWER_BYTES", 100_000)
    windows = make_sandbox().stream("drip", [b"media"], 60, specs=SPECS, name="x", bounds=ENDLESS)

    with pytest.raises(LimitError, match="x: more than 100000 bytes of answers") as caught:
        list(windows)

    assert caught.value.kind == "limit_bytes"


def test_a_child_that_stops_its_own_timer_is_ended_by_its_parent(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(cpu_seconds=0.1)

    with pytest.raises(DecoderDiedError, match=r"used more than 0.1 s of processor") as caught:
        run(sandbox, "spin_untimed")

    assert caught.value.kind == "limit_cpu"


def test_the_kernel_limits_the_processor_time_of_a_childs_life(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(source_seconds=40)

    rows = Path(f"/proc/{child_of(sandbox).pid}/limits").read_text().splitlines()
    limits = {" ".join(row.split()[:3]): row.split()[3:5] for row in rows}

    assert limits["Max cpu time"] == ["40", "42"]
    assert limits["Max processes 0"] == ["0", "processes"]


def test_a_child_whose_life_has_no_time_left_is_replaced(
    make_sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = make_sandbox(cpu_seconds=5, source_seconds=60)
    first = child_of(sandbox).pid
    assert child_of(sandbox).pid == first
    monkeypatch.setattr("scanner.sandbox.process.process_seconds", lambda pid: 56.0)

    assert_works_again(sandbox)

    assert sandbox.pids[STREAM] != first


def test_more_sources_than_can_be_handed_over_are_refused(sandbox: Sandbox) -> None:
    with tempfile.TemporaryFile() as output:
        assert sandbox.call("contents", [b"x"] * 249, None, output=output, name="x") == ["x"] * 249
        with pytest.raises(LimitError, match="x: 250 sources in one task, limit is 249"):
            sandbox.call("contents", [b"x"] * 250, None, output=output, name="x")


def test_a_message_over_the_limit_is_not_received(sandbox: Sandbox) -> None:
    with pytest.raises(DecoderDiedError, match="x: decoder sent a message of 4294967295 bytes"):
        run(sandbox, "forge", b"\xff" * 4)


def test_half_a_message_has_the_timeout_of_a_whole_one(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(wall_seconds=0.1)

    with pytest.raises(DecoderDiedError, match=r"x: decoder sent nothing for 0\.1 s"):
        run(sandbox, "forge", framed(b"x" * 1000)[:10])


def test_an_image_of_another_shape_never_leaves_the_child(sandbox: Sandbox) -> None:
    with pytest.raises(
        DecoderDiedError, match=r"x: ValueError in buffers.py:\d+: image must be \(8, 16, 3\)"
    ):
        run(sandbox, "odd")


def test_nothing_follows_the_last_window(sandbox: Sandbox) -> None:
    with pytest.raises(DecoderDiedError, match=r"x: decoder sent \['window'\] instead of end"):
        run(sandbox, "beyond")


def test_text_from_the_child_is_printable_and_short(sandbox: Sandbox) -> None:
    values = ["DamagedError", "damaged", "\x1b[31m" + "x" * 10_000]
    error = json.dumps({"call": 1, "error": values}).encode()

    with pytest.raises(Exception, match=r"x+") as caught:
        run(sandbox, "forge", framed(error))

    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) == 500
