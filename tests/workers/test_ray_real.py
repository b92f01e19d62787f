"""The real sandbox and the test card on Ray actors: what leaves them equals the single process to
the bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import psutil
import pytest

from samples.facts import SampleFile
from scanner.runner import Job, Outcome, configured_scorers, local_runner, open_worker
from scanner.scoring.options import BurstSelection
from scanner.settings.sections import ModelSettings, Settings
from scanner.types import ScoredSegment, Segment, SegmentKey, Source, StreamId
from tests.scoring.build_onnx import tiny, tiny_burst
from workers.actors import Placement, Plan, crew
from workers.decode import Recipe

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = Settings(models=ModelSettings(names=()))
"""The test card only."""
RECIPE = Recipe(
    scorers=partial(configured_scorers, SETTINGS), worker=partial(open_worker, SETTINGS)
)


@pytest.fixture
def jobs(sample_media: Callable[[str], SampleFile]) -> list[Job]:
    """Segments by path and in memory, a file of several windows, one that is no video."""
    segment, film = sample_media("ts_h264").path, sample_media("ts_long_gop").path
    sources: list[Source] = [segment, segment.read_bytes(), b"no video at all"]
    key = SegmentKey(stream_id=StreamId("film"), sequence=0)
    live = [job_of(sources[n % 3], f"live-{n % 4}", n) for n in range(24)]
    return [
        *live[:6],
        Job(segment=Segment(key=key, source=film), name="film", windowed=True),
        *live[6:],
    ]


def job_of(source: Source, stream: str, sequence: int) -> Job:
    key = SegmentKey(stream_id=StreamId(stream), sequence=sequence)
    return Job(segment=Segment(key=key, source=source), name=str(key), windowed=False)


def by_stream(outcomes: Iterator[Outcome]) -> list[str]:
    return [
        repr(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.key.stream_id)
    ]


def children() -> set[int]:
    """Sandboxed children of the actors."""
    below = psutil.Process().children(recursive=True)
    return {
        process.pid
        for process in below
        if "scanner.sandbox" in process.cmdline() and process.ppid() != os.getpid()
    }


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_actors_with_sandboxes_say_what_one_process_says_to_the_bit(
    placement: Placement, jobs: list[Job]
) -> None:
    with (
        local_runner(SETTINGS) as alone,
        crew(RECIPE, Plan(workers=2, placement=placement)) as actors,
    ):
        assert by_stream(actors.run(jobs)) == by_stream(alone.run(jobs))


@pytest.mark.parametrize("placement", ["cpu", "gpu"])
def test_so_they_do_with_a_model_of_bursts(
    placement: Placement, jobs: list[Job], tmp_path: Path
) -> None:
    tiny(tmp_path / "tiny")
    tiny_burst(tmp_path / "tiny-clip", gate='[gate]\nlabel = "fight"\nabove = 0.6\n')
    settings = Settings(models=ModelSettings(dir=tmp_path), bursts=BurstSelection(base_rate=0.5))
    recipe = Recipe(
        scorers=partial(configured_scorers, settings), worker=partial(open_worker, settings)
    )

    with (
        local_runner(settings) as alone,
        crew(recipe, Plan(workers=2, placement=placement)) as actors,
    ):
        expected, said = list(alone.run(jobs)), list(actors.run(jobs))

    assert by_stream(iter(said)) == by_stream(iter(expected))
    taken = [
        any(frame.burst for frame in outcome.frames)
        for outcome in said
        if isinstance(outcome, ScoredSegment)
    ]
    assert {True, False} == set(taken)


def test_a_child_lasts_from_lease_to_lease_and_a_killed_one_changes_nothing(
    jobs: list[Job],
) -> None:
    with local_runner(SETTINGS) as alone, crew(RECIPE, Plan(workers=2)) as actors:
        expected = by_stream(alone.run(jobs))
        list(actors.run(jobs))
        first = children()
        list(actors.run(jobs))
        second = children()

        outcomes = actors.run(jobs)
        begun = next(outcomes)
        for child in second:
            os.kill(child, signal.SIGKILL)
        said = by_stream(chain([begun], outcomes))

    assert first == second != set()
    assert said == expected


def test_no_child_outlives_its_actor(jobs: list[Job], ray_pids: Callable[[str], list[int]]) -> None:
    with crew(RECIPE, Plan(workers=2)) as actors:
        list(actors.run(jobs))
        orphans = [psutil.Process(pid) for pid in children()]
        for pid in ray_pids("_Decode"):
            os.kill(pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(orphans, timeout=10)

    assert orphans
    assert alive == []


def test_a_relative_path_means_the_same_in_an_actor(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = jobs[0].segment.source
    assert isinstance(path, Path)
    monkeypatch.chdir(path.parent)
    relative = [job_of(Path(path.name), "s", 0)]

    with local_runner(SETTINGS) as alone, crew(RECIPE, Plan(workers=1)) as actors:
        assert by_stream(actors.run(relative)) == by_stream(alone.run(relative))
