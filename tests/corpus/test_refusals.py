"""Unreadable sources are refused with one line that names them, nothing else is opened, and only
``InputError`` is raised."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from samples.drawing import read_mark
from samples.facts import SampleFile
from samples.make_hostile import (
    HOSTILE,
    PICTURES,
    TRUNCATED,
    HostileFile,
    ScriptTargets,
    damage,
    make_hostile,
    write_scripts,
)
from samples.playlists import CANARY_NUMBER
from scanner.errors import InputError, LimitError
from scanner.media.decode import decode_windows
from scanner.media.limits import MediaLimits
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
from tests.corpus.checks import SPEC, decode_sample, rgb
from tests.corpus.names import REFUSED

Media = Callable[[str], SampleFile]
REQUEST = DecodeRequest(specs=(SPEC,))
SCRIPTS = tuple(write_scripts(ScriptTargets(canary=Path("canary.ts"), address="127.0.0.1:9")))
MUTATED = (*TRUNCATED, *PICTURES)
SEEDS = (
    pytest.param(range(4), id="few"),
    pytest.param(range(4, 100), id="many", marks=pytest.mark.slow),
)
"""Mutations of each file; the slow run adds 96 of each to the 4 of every run."""


@dataclass(frozen=True, slots=True)
class Trap:
    """The hostile files, and a listener that some of them name."""

    files: dict[str, HostileFile]
    listener: socket.socket

    @property
    def called(self) -> bool:
        """Whether a client connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        yield Trap(make_hostile(tmp_path_factory.mktemp("hostile"), address), listener)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxLimits(memory_bytes=1 << 30, cpu_seconds=5, wall_seconds=30)) as ours:
        yield ours


@pytest.mark.parametrize("name", REFUSED)
def test_a_source_without_readable_video_is_refused(name: str, sample_media: Media) -> None:
    sample = sample_media(name)

    with pytest.raises(InputError) as caught:
        decode_sample(sample)

    assert caught.value.kind in sample.facts.refusal
    assert_one_line(caught.value, sample.path.name)


@pytest.mark.parametrize("name", [name for name, (_, kinds) in HOSTILE.items() if kinds])
def test_a_hostile_file_is_refused_with_its_kind(name: str, trap: Trap, sandbox: Sandbox) -> None:
    hostile = trap.files[name]

    with pytest.raises(InputError) as caught:
        list(sandbox.decode(hostile.path, REQUEST, name=name))

    assert caught.value.kind in hostile.kinds
    assert_one_line(caught.value, name)


@pytest.mark.parametrize("name", [name for name, (_, kinds) in HOSTILE.items() if not kinds])
def test_damage_is_read_as_far_as_it_goes_or_refused(
    name: str, trap: Trap, sandbox: Sandbox
) -> None:
    try:
        windows = list(sandbox.decode(trap.files[name].path, REQUEST, name=name))
    except InputError as refusal:
        assert_one_line(refusal, name)
        return

    assert_windows_are_consistent(windows)
    assert not any(name.startswith("bomb") for w in windows for _ in w.samples)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_opens_nothing(name: str, trap: Trap) -> None:
    hostile = trap.files[name]

    with pytest.raises(InputError) as caught, hostile.path.open("rb") as source:
        list(
            decode_windows(source, REQUEST, name=name)
        )  # on purpose without the sandbox: nothing else may be what stops it

    assert caught.value.kind in hostile.kinds
    assert not trap.called
    assert_one_line(caught.value, name)


def test_a_data_reference_is_not_followed(trap: Trap) -> None:
    with trap.files["referring.mp4"].path.open("rb") as source:
        seen = [
            read_mark(rgb(s))
            for window in decode_windows(source, REQUEST, name="a")
            for s in window.samples
        ]

    assert seen
    assert CANARY_NUMBER not in seen


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (MediaLimits(max_bytes=1000), "limit_bytes"),
        (MediaLimits(max_duration=Fraction(1)), "limit_duration"),
        (MediaLimits(max_pixels=320 * 180 - 1), "limit_pixels"),
        (MediaLimits(max_frames=1), "limit_frames"),
    ],
)
@pytest.mark.parametrize("name", ["ts_h264", "mp4_h264", "mkv_h264", "webm_vp9", "avi_mpeg4"])
def test_each_limit_has_an_error_of_its_own(
    name: str, limits: MediaLimits, kind: str, sample_media: Media
) -> None:
    sample = sample_media(name)

    with pytest.raises(LimitError) as caught:
        decode_sample(sample, limits=limits)

    assert caught.value.kind == kind
    assert_one_line(caught.value, sample.path.name)


@pytest.mark.parametrize(
    "name", ["ts_h264", "mp4_h264", "mkv_h264", "webm_vp9", "avi_mpeg4", "jpeg_420", "gif"]
)
def test_a_source_just_within_the_limits_is_read(name: str, sample_media: Media) -> None:
    sample = sample_media(name)
    size = sample.path.stat().st_size

    windows = decode_sample(
        sample,
        limits=MediaLimits(
            max_bytes=size,
            max_pixels=320 * 180,
            max_frames=2,
            max_tracks=1,
            max_duration=Fraction(4),
        ),
    )

    assert windows


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("name", MUTATED)
def test_mutated_files_raise_only_input_errors(
    name: str, seeds: range, sandbox: Sandbox, sample_media: Media
) -> None:
    whole = sample_media(name).path.read_bytes()

    for seed in seeds:
        subject = f"{name}/{seed}"
        try:
            windows = list(sandbox.decode(damage(whole, seed), REQUEST, name=subject))
        except InputError as refusal:
            assert_one_line(refusal, subject)
        else:
            assert_windows_are_consistent(windows)

    assert any(window.samples for window in sandbox.decode(whole, REQUEST, name=name))


def assert_windows_are_consistent(windows: Sequence[DecodedWindow]) -> None:
    """Check that windows are numbered without a hole and hold the times of their samples."""
    assert [window.index for window in windows] == list(range(len(windows)))
    assert all(0 <= s.at <= w.times.duration for w in windows for s in w.samples)


def assert_one_line(error: InputError, name: str) -> None:
    """Check that a message names its subject and is one short line."""
    message = str(error)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert len(message) <= 250
