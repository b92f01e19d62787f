from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from scanner.bench.bench_input import BenchInput, ensure_clip, probe_folder, probe_input
from scanner.bench.decode_bench import bench_decode
from scanner.bench.infer_bench import bench_infer
from scanner.bench.measure import BenchPlan
from scanner.bench.pipeline_bench import MeasuredRunner, bench_footage, bench_pipeline
from scanner.compose import Program, compose
from scanner.errors import DamagedError, InputError, NoVideoError
from scanner.media.request import DecodeRequest
from scanner.pipeline.worker import LocalRunner, SegmentWorker, StreamWorker
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.options import Reuse
from scanner.scoring.test_card import TestCard, draw_card
from scanner.settings.sections import ModelSettings, Settings
from scanner.testing.scorers import FakeScorer
from tests.bench.build import SMALL, small_clip

ONCE = BenchPlan(repeats=1, seconds=0, warm_up=0)
REQUEST = DecodeRequest(specs=TestCard.inputs)


@pytest.fixture(scope="module")
def program() -> Program:
    """The test card only."""
    return compose(Settings(models=ModelSettings(names=())))


def runner_in(
    sandbox: Sandbox, program: Program, request: DecodeRequest = REQUEST
) -> MeasuredRunner:
    worker = SegmentWorker(sandbox, (TestCard(),), request, Reuse())
    return MeasuredRunner(LocalRunner(StreamWorker(worker.score, program.policies)))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> BenchInput:
    return probe_input(small_clip(tmp_path_factory.mktemp("clip")), REQUEST, sandbox)


def test_the_generated_clip_has_the_requested_properties(video: BenchInput) -> None:
    assert (
        video.info.width,
        video.info.height,
        video.info.codec,
        video.info.container,
    ) == (128, 96, "h264", "mpegts")
    assert (video.seconds, video.segments, video.samples) == (4.0, 1, 2)
    assert SMALL.bits * 0.8 < video.size * 8 / video.seconds < SMALL.bits * 1.5


def test_a_clip_is_generated_once(tmp_path: Path) -> None:
    first = ensure_clip(tmp_path, SMALL, "clip.ts")
    created = first.stat().st_mtime_ns

    again = ensure_clip(tmp_path, SMALL, "clip.ts")

    assert again == first
    assert again.stat().st_mtime_ns == created
    assert list(tmp_path.iterdir()) == [first]


def test_decoding_counts_segments_samples_and_seconds(video: BenchInput, sandbox: Sandbox) -> None:
    result = bench_decode(video, REQUEST, sandbox, ONCE)

    (run,) = result.runs
    assert (run.amount.units, run.amount.samples, run.amount.media_seconds) == (1, 2, 4.0)
    assert run.cpu > 0


@pytest.mark.parametrize("batch", [1, 8])
def test_inference_counts_batches_and_samples(batch: int) -> None:
    scorer = FakeScorer()

    result = bench_infer(scorer, batch, BenchPlan(repeats=2, seconds=0, warm_up=1))

    assert [(run.amount.units, run.amount.samples) for run in result.runs] == [
        (1, batch),
        (1, batch),
    ]
    assert len(scorer.scored_times) == 3 * batch


def test_the_pipeline_counts_the_segments_of_all_streams(
    video: BenchInput, sandbox: Sandbox, program: Program
) -> None:
    result = bench_pipeline(video, program, runner_in(sandbox, program), 3, ONCE)

    (run,) = result.runs
    assert (run.amount.units, run.amount.samples, run.amount.media_seconds) == (3, 6, 12.0)


def test_a_file_of_several_segments_is_scanned_window_by_window(
    video: BenchInput, sandbox: Sandbox, program: Program
) -> None:
    request = DecodeRequest(specs=TestCard.inputs, window=Fraction(2))
    windowed = probe_input(video.path, request, sandbox)

    result = bench_pipeline(windowed, program, runner_in(sandbox, program, request), 2, ONCE)

    (run,) = result.runs
    assert windowed.segments == 2
    assert (run.amount.units, run.amount.media_seconds) == (4, 8.0)


def test_footage_becomes_a_stream_of_ten_minutes(
    video: BenchInput, sandbox: Sandbox, program: Program
) -> None:
    runner = runner_in(sandbox, program)

    result = bench_footage("the clip", (video,), program, runner, ONCE)

    (run,) = result.runs
    assert (run.amount.units, run.amount.samples) == (150, 300)
    assert run.amount.media_seconds == pytest.approx(600)


def test_a_folder_gives_its_videos_and_no_other_file(
    tmp_path: Path, sandbox: Sandbox, video: BenchInput
) -> None:
    (tmp_path / "more").mkdir()
    copied = tmp_path / "more" / "clip.ts"
    copied.write_bytes(video.path.read_bytes())
    (tmp_path / "notes.mp4").write_text("no video")

    assert [found.path for found in probe_folder(tmp_path, REQUEST, sandbox)] == [copied]
    with pytest.raises(NoVideoError, match="no video in it"):
        probe_folder(tmp_path / "notes", REQUEST, sandbox)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video")

    with pytest.raises(InputError, match=r"notes\.mp4"):
        probe_input(text, REQUEST, sandbox)


def test_a_still_picture_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    picture = tmp_path / "card.png"
    Image.fromarray(draw_card(64, 64)).save(picture)

    with pytest.raises(NoVideoError, match=r"card\.png: no video"):
        probe_input(picture, REQUEST, sandbox)


def test_a_segment_that_fails_ends_the_bench(
    video: BenchInput, sandbox: Sandbox, program: Program, tmp_path: Path
) -> None:
    missing = BenchInput(
        path=tmp_path / "gone.ts",
        drawn=False,
        size=1,
        seconds=4.0,
        segments=1,
        samples=2,
        info=video.info,
    )

    with pytest.raises(DamagedError, match=r"gone\.ts"):
        bench_pipeline(missing, program, runner_in(sandbox, program), 1, ONCE)
