"""Bursts of a window, requested from the child that decoded the window: their content, and what
happens when the child dies."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from scanner.errors import DamagedError, DecoderDiedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedBursts, Sample
from scanner.sandbox.sandbox import Sandbox, Windows
from scanner.types import Burst, FrameSpec
from tests.media.build import encode
from tests.media.test_bursts import decode_with_bursts
from tests.sandbox.hostile_tasks import FOUR, TWO, Moving, burst, framed, window
from tests.sandbox.requests import MANY, SPECS, STREAM, child_of
from tests.sandbox.test_sandbox import assert_same

MakeSandbox = Callable[..., Sandbox]


def stream(sandbox: Sandbox, moving: Moving | None = None, *, ahead: bool = True) -> Windows:
    return sandbox.stream(
        "moving",
        [b"media"],
        moving or Moving(),
        specs=(*SPECS, FOUR, TWO),
        name="x",
        bounds=MANY,
        stream=STREAM,
        ahead=ahead,
    )


def assert_equal(left: Sample, right: Sample) -> None:
    assert (left.at, left.pts, left.start, left.burst, left.keyframe) == (
        right.at,
        right.pts,
        right.start,
        right.burst,
        right.keyframe,
    )
    assert set(left.images) == set(right.images)
    for spec, image in left.images.items():
        np.testing.assert_array_equal(image, right.images[spec])


@pytest.mark.parametrize("ahead", [True, False])
def test_bursts_come_back_as_they_were_made_whatever_the_child_works_on_meanwhile(
    ahead: bool, sandbox: Sandbox
) -> None:
    windows = stream(sandbox, Moving(windows=3), ahead=ahead)

    for index, decoded in enumerate(windows):
        first, second = windows.bursts().samples
        assert_same(decoded, window(index, last=index == 2))
        assert_equal(first, burst(index, 0, FOUR))
        assert_equal(second, burst(index, 1, TWO))

    assert STREAM in sandbox.pids


def test_bursts_are_made_on_request_only(sandbox: Sandbox) -> None:
    windows = stream(sandbox, Moving(windows=4))

    counts = [len(windows.bursts().samples) if decoded.index == 2 else 0 for decoded in windows]

    assert counts == [0, 0, 2, 0]


def test_the_frames_that_were_decoded_are_counted_for_each_request(sandbox: Sandbox) -> None:
    windows = stream(sandbox)
    next(windows)

    assert [windows.bursts().frames for _ in range(2)] == [14, 14]


def test_bursts_may_be_requested_again(sandbox: Sandbox) -> None:
    windows = stream(sandbox)
    next(windows)

    once, again = windows.bursts().samples, windows.bursts().samples

    for left, right in zip(once, again, strict=True):
        assert_equal(left, right)
    assert [decoded.index for decoded in windows] == [1]


def test_there_are_no_bursts_before_the_first_window_and_after_the_last(sandbox: Sandbox) -> None:
    windows = stream(sandbox)

    assert windows.bursts() == DecodedBursts()
    list(windows)
    assert windows.bursts() == DecodedBursts()


def test_a_window_of_a_task_that_makes_none_has_none(sandbox: Sandbox) -> None:
    windows = sandbox.stream("windows", [b"media"], 2, specs=(*SPECS, FOUR), name="x", bounds=MANY)

    assert [windows.bursts() for _ in windows] == [DecodedBursts()] * 2


def test_arrays_stay_the_callers_own_when_the_buffer_is_used_again(sandbox: Sandbox) -> None:
    windows = stream(sandbox)
    next(windows)
    first, _ = windows.bursts().samples

    list(windows)

    assert_equal(first, burst(0, 0, FOUR))


def test_bursts_that_do_not_fit_are_left_out(make_sandbox: MakeSandbox) -> None:
    size = sum(np.prod(spec.shape) for spec in SPECS) * 2
    sandbox = make_sandbox(buffer_bytes=int(size))
    windows = stream(sandbox, Moving(bursts=80))
    next(windows)

    bursts = windows.bursts().samples

    assert 0 < len(bursts) < 80
    assert sum(image.size for burst in bursts for image in burst.images.values()) <= size


@pytest.mark.parametrize(
    ("how", "kind", "limits"),
    [
        ("crash", "decoder_died", {}),
        ("spin", "limit_cpu", {"cpu_seconds": 0.3}),
        ("hang", "limit_time", {"wall_seconds": 1.0}),
    ],
)
def test_a_child_that_dies_over_a_burst_is_replaced(
    how: str, kind: str, limits: dict[str, float], make_sandbox: MakeSandbox
) -> None:
    sandbox = make_sandbox(**limits)
    windows = stream(sandbox, Moving(how=how))
    next(windows)

    with pytest.raises(DecoderDiedError) as caught:
        windows.bursts()

    assert caught.value.kind == kind
    assert list(windows) == []
    assert len(list(stream(sandbox))) == 2


def test_an_error_over_a_burst_is_raised_and_the_child_is_replaced(sandbox: Sandbox) -> None:
    child = child_of(sandbox)
    windows = stream(sandbox, Moving(how="refuse"))
    next(windows)

    with pytest.raises(DamagedError, match="torn"):
        windows.bursts()

    assert list(windows) == []
    assert len(list(stream(sandbox))) == 2
    assert not child.is_running()


def test_an_error_over_the_bursts_of_the_last_window_is_raised(sandbox: Sandbox) -> None:
    windows = stream(sandbox, Moving(how="refuse", at=1))
    list(zip(range(2), windows, strict=False))

    with pytest.raises(DamagedError, match="torn"):
        windows.bursts()


def test_an_error_over_the_next_window_is_raised_with_that_window(sandbox: Sandbox) -> None:
    windows = stream(sandbox, Moving(ahead="refuse"))
    next(windows)

    assert len(windows.bursts().samples) == 2
    with pytest.raises(DamagedError, match="torn"):
        next(windows)


def test_without_ahead_a_child_dies_over_the_requested_window(sandbox: Sandbox) -> None:
    windows = stream(sandbox, Moving(ahead="crash"), ahead=False)
    next(windows)

    assert len(windows.bursts().samples) == 2
    with pytest.raises(DecoderDiedError):
        next(windows)


def test_a_stream_left_after_a_burst_does_not_affect_the_next_one(sandbox: Sandbox) -> None:
    windows = stream(sandbox)
    next(windows)
    windows.bursts()
    del windows

    assert len(list(stream(sandbox))) == 2


def burst_message(*values: object) -> bytes:
    return framed(json.dumps({"call": 1, "burst": values}).encode())


VIOLATIONS = {
    "an unknown kind": burst_message(0, 1, 3, 2, 0, 2),
    "a negative kind": burst_message(0, 1, 3, 2, 0, -1),
    "a kind that is true": burst_message(0, 1, 3, 2, 0, True),
    "too few values": burst_message(0, 1, 3, 2, 0),
    "no values": framed(b'{"call": 1, "burst": 4}'),
    "a time before its window": burst_message(0, 1, -3, 2, 0, 0),
    "a start before its window": burst_message(-1, 1, 3, 2, 0, 0),
    "a time after its window": burst_message(0, 1, 30, 2, 0, 0),
    "a start after its window": burst_message(30, 2, 3, 2, 0, 0),
    "a time with no denominator": burst_message(0, 1, 3, 0, 0, 0),
    "an earlier time than the one before": burst_message(0, 1, 1, 2, 0, 0),
    "a window in its place": framed(b'{"call": 1, "window": {}}'),
    "the end in its place": framed(b'{"call": 1, "end": true}'),
    "more than fit": burst_message(0, 1, 2, 1, 0, 0) * 60,
    "a negative number of frames": framed(b'{"call": 1, "bursts_end": -1}'),
    "no number of frames": framed(b'{"call": 1, "bursts_end": true}'),
}


@pytest.mark.parametrize("message", VIOLATIONS.values(), ids=VIOLATIONS)
def test_no_invalid_burst_is_accepted(message: bytes, make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(buffer_bytes=1 << 14)
    windows = stream(sandbox, Moving(how="forge", forged=message))
    next(windows)

    with pytest.raises(DecoderDiedError, match="x: decoder sent"):
        windows.bursts()

    assert STREAM not in sandbox.pids


def test_bursts_in_the_sandbox_equal_bursts_outside_of_it() -> None:
    spec = FrameSpec(width=64, height=48, burst=Burst(frames=8, rate=5))
    request = DecodeRequest(specs=(spec.frame, spec))
    for data in (
        encode(frames=360, bframes=2),
        encode(container="webm", codec="libvpx-vp9", frames=60),
    ):
        with Sandbox() as sandbox:
            windows = sandbox.decode(data, request, name="clip")
            inside = [windows.bursts().samples for _ in windows]
        for ours, (_, theirs) in zip(
            inside, decode_with_bursts(data, specs=request.specs), strict=True
        ):
            assert theirs
            for left, right in zip(ours, theirs, strict=True):
                assert_equal(left, right)
