"""The real sandbox and the test card on Ray actors: their events equal those of one process to the
bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

import psutil
import pytest

from samples.facts import SampleFile
from scanner.compose import compose, local_runner, worker_parts
from scanner.scoring.options import BurstSelection
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.events import SegmentScored
from scanner.stream.inputs import Job, SegmentTurn, Turn
from scanner.types import Segment, SegmentKey, Source, StreamId
from tests.processes import parent_of, processes_below
from tests.scoring.build_onnx import tiny, tiny_burst
from tests.workers.pool_fakes import by_stream, ended
from workers.actors import Placement, PoolPlan, open_pool

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

PROGRAM = compose(Settings(models=ModelSettings(names=())))
"""The test card only."""
PARTS = worker_parts(PROGRAM)


@pytest.fixture
def turns(sample_media: Callable[[str], SampleFile]) -> list[Turn]:
    """Segments by path and in memory, a file of several windows, one that is no video."""
    segment, film = sample_media("ts_h264").path, sample_media("ts_long_gop").path
    sources: list[Source] = [segment, segment.read_bytes(), b"no video at all"]
    live = [turn_of(sources[n % 3], f"live-{n % 4}", n) for n in range(24)]
    return ended([*live[:6], turn_of(film, "film", 0, windowed=True), *live[6:]])


def turn_of(source: Source, stream: str, sequence: int, *, windowed: bool = False) -> SegmentTurn:
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    return SegmentTurn(
        job=Job(segment=Segment(key=key, source=source), name=str(key), windowed=windowed)
    )


def sandboxed() -> list[psutil.Process]:
    """Sandboxed processes of the actors: zygotes and their children."""
    ours = {
        process: parent_of(process)
        for process, command in processes_below().items()
        if "scanner.sandbox" in command
    }
    here = {process.pid for process, parent in ours.items() if parent == os.getpid()}
    return [process for process, parent in ours.items() if not here & {process.pid, parent}]


def zygotes() -> set[int]:
    """The processes that fork the actors' children."""
    found = sandboxed()
    return {process.pid for process in found} & {parent_of(process) for process in found}


def children() -> set[int]:
    """The processes that decode for the actors."""
    return {process.pid for process in sandboxed()} - zygotes()


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_actors_with_sandboxes_give_the_events_of_one_process(
    placement: Placement, turns: list[Turn]
) -> None:
    with (
        local_runner(PROGRAM) as local,
        open_pool(PARTS, PoolPlan(workers=2, placement=placement)) as pool,
    ):
        assert by_stream(pool.run(turns)) == by_stream(local.run(turns))


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_actors_with_a_burst_model_give_the_events_of_one_process(
    placement: Placement, turns: list[Turn], tmp_path: Path
) -> None:
    tiny(tmp_path / "tiny")
    tiny_burst(tmp_path / "tiny-clip", gate='[gate]\nlabel = "fight"\nabove = 0.6\n')
    program = compose(
        Settings(models=ModelSettings(dir=tmp_path), bursts=BurstSelection(base_rate=0.5))
    )

    with (
        local_runner(program) as local,
        open_pool(worker_parts(program), PoolPlan(workers=2, placement=placement)) as pool,
    ):
        expected, progress = list(local.run(turns)), list(pool.run(turns))

    assert by_stream(progress) == by_stream(expected)
    has_bursts = [
        any(frame.burst for frame in event.segment.frames)
        for one in progress
        for event in one.events
        if isinstance(event, SegmentScored)
    ]
    assert {True, False} == set(has_bursts)


def test_a_zygote_lasts_from_lease_to_lease_and_a_killed_child_changes_nothing(
    turns: list[Turn],
) -> None:
    with local_runner(PROGRAM) as local, open_pool(PARTS, PoolPlan(workers=2)) as pool:
        expected = by_stream(local.run(turns))
        list(pool.run(turns))
        first = zygotes()
        list(pool.run(turns))
        second = zygotes()

        results = pool.run(turns)
        begun = next(results)
        decoding = children()
        for child in decoding:
            with suppress(ProcessLookupError):  # it may have served its last segment
                os.kill(child, signal.SIGKILL)
        found = by_stream(chain([begun], results))

    assert first
    assert first <= second  # an actor that was late in the first run has one since the second
    assert len(second) <= 2
    assert decoding
    assert found == expected


def test_no_child_outlives_its_actor(
    turns: list[Turn], ray_pids: Callable[[str], list[int]]
) -> None:
    with open_pool(PARTS, PoolPlan(workers=2)) as pool:
        list(pool.run(turns))
        orphans = sandboxed()
        for pid in ray_pids("_RemoteDecode"):
            os.kill(pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(orphans, timeout=60)

    assert orphans
    assert alive == []


def test_a_relative_path_means_the_same_in_an_actor(
    sample_media: Callable[[str], SampleFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sample_media("ts_h264").path
    monkeypatch.chdir(path.parent)
    relative = ended([turn_of(Path(path.name), "s", 0)])

    with local_runner(PROGRAM) as local, open_pool(PARTS, PoolPlan(workers=1)) as pool:
        found, expected = by_stream(pool.run(relative)), by_stream(local.run(relative))

    assert found == expected
    assert any('"SegmentScored"' in line for line in found[StreamId("s")])
