"""Memory of children that are kept ready, and of a child by the size of its picture."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

from samples.drawing import draw_card
from samples.large import encode_large_png, encode_text_png
from scanner.errors import LimitError
from scanner.media.request import DecodeRequest
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec
from tests.sandbox.requests import SPECS, wait_until

MakeSandbox = Callable[..., Sandbox]
MIB = 1 << 20
REQUEST = DecodeRequest(specs=(FrameSpec(width=64, height=64),))


def serve(sandbox: Sandbox, stream: str, task: str = "keep", size: int = 0) -> None:
    assert list(sandbox.stream(task, [b"media"], size, specs=SPECS, name="x", stream=stream))


def resident(sandbox: Sandbox, stream: str) -> int:
    return psutil.Process(sandbox.pids[stream]).memory_info().rss


def test_idle_children_give_memory_back_before_one_of_them_is_ended(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(idle_bytes=40 * MIB)
    serve(sandbox, "a", "release", 30 * MIB)
    before = resident(sandbox, "a")

    serve(sandbox, "b", "release", 30 * MIB)

    assert list(sandbox.pids) == ["a", "b"]
    wait_until(lambda: resident(sandbox, "a") < before - 25 * MIB)


def test_a_child_that_gives_no_memory_back_is_ended(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(idle_bytes=40 * MIB)

    for stream in ("a", "b", "c"):
        serve(sandbox, stream, "keep", 30 * MIB)

    assert "a" not in sandbox.pids
    assert "c" in sandbox.pids


def test_where_giving_back_is_not_enough_the_oldest_child_is_ended(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox(idle_bytes=15 * MIB)

    for stream in ("a", "b", "c"):
        serve(sandbox, stream)

    assert list(sandbox.pids) == ["b", "c"]


def test_texts_that_unpack_to_more_than_the_memory_leave_the_picture_readable() -> None:
    texts = [(b"zTXt", 1, 300 * MIB), (b"iTXt", 30, 16 * MIB), (b"iCCP", 1, 300 * MIB)]

    with Sandbox(SandboxLimits(memory_bytes=400 * MIB, large_memory_bytes=400 * MIB)) as sandbox:
        for kind, count, size in texts:
            data = encode_text_png(draw_card(77), kind, count, size)
            (window,) = sandbox.decode(data, REQUEST, name="texts.png")
            assert len(window.samples) == 1


def test_a_picture_larger_than_usual_has_the_higher_limit_of_memory() -> None:
    usual, larger = encode_large_png(4096, 2304), encode_large_png(4097, 2304)

    with Sandbox(SandboxLimits(memory_bytes=320 * MIB, large_memory_bytes=1 << 30)) as sandbox:
        with pytest.raises(LimitError) as caught:
            list(sandbox.decode(usual, REQUEST, name="usual.png"))
        (window,) = sandbox.decode(larger, REQUEST, name="larger.png")

    assert caught.value.kind == "limit_memory"
    assert len(window.samples) == 1


def test_a_picture_of_usual_size_fits_the_default_limit() -> None:
    with Sandbox() as sandbox:
        (window,) = sandbox.decode(encode_large_png(4096, 2304), REQUEST, name="usual.png")

    assert len(window.samples) == 1


def test_a_picture_that_needs_more_than_the_higher_limit_is_refused() -> None:
    with (
        Sandbox(SandboxLimits(large_memory_bytes=450 * MIB, memory_bytes=450 * MIB)) as sandbox,
        pytest.raises(LimitError) as caught,
    ):
        list(sandbox.decode(encode_large_png(8192, 4320), REQUEST, name="huge.png"))

    assert caught.value.kind == "limit_memory"
