"""The whole path with a burst model: gate, bursts, superseded scores, lines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from scanner.compose import compose, decode_request, load_configured_scorers, scan_paths
from scanner.pipeline.replay import fold, inputs_of_lines
from scanner.pipeline.worker import SegmentWorker
from scanner.report.line_text import dumps, read_lines
from scanner.report.lines import FrameLine, IncidentLine, Line, SummaryLine, incident_line
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import Settings
from scanner.stream.inputs import Job
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId
from tests.media.build import encode
from tests.scoring.build_onnx import tiny, tiny_burst

GATE = '[gate]\nlabel = "fight"\nabove = 0.6\n'
"""The tiny model's fight is the mean red: 0.5 in a black picture, up to 0.73 in a white one."""
BRIGHT, DARK = 230, 20


def scanned(folder: Path, video: bytes, **settings: object) -> list[Line]:
    path = folder / "clip.ts"
    path.write_bytes(video)
    return list(
        scan_paths(
            [path], Settings.model_validate({"models": {"dir": folder / "models"}, **settings})
        )
    )


def frames(lines: Sequence[Line]) -> list[FrameLine]:
    return [line for line in lines if isinstance(line, FrameLine) and line.burst is None]


def bursts(lines: Sequence[Line]) -> list[FrameLine]:
    return [line for line in lines if isinstance(line, FrameLine) and line.burst is not None]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    tiny(tmp_path / "models" / "tiny")
    tiny_burst(tmp_path / "models" / "tiny-clip", gate=GATE)
    return tmp_path


def video(*, value: int) -> bytes:
    """Return four seconds of video of a mean brightness that flicker every sixth of a second."""
    greys = [min(255, max(0, value + (20 if number // 5 % 2 else -20))) for number in range(120)]
    return encode(frames=120, gop=60, bframes=2, values=greys)


def test_bursts_are_scored_where_frames_pass_the_gate(models: Path) -> None:
    printed = scanned(models, video(value=BRIGHT), bursts={"base_rate": 0.0})

    burst_lines = bursts(printed)
    assert [line.burst and line.burst["start"] for line in burst_lines] == [0.0, 2.0]
    assert [line.at for line in burst_lines] == pytest.approx([0.6, 2.6], abs=1 / 30)
    assert all(
        line.models == ("tiny-clip@1",) and set(line.scores) == {"fight"} for line in burst_lines
    )


def test_no_bursts_are_scored_where_no_frame_passes_the_gate(models: Path) -> None:
    assert not bursts(scanned(models, video(value=DARK), bursts={"base_rate": 0.0}))


def test_the_base_rate_selects_segments_whatever_their_frames_score(models: Path) -> None:
    assert bursts(scanned(models, video(value=DARK), bursts={"base_rate": 1.0}))


def test_the_operators_gate_replaces_the_models(models: Path) -> None:
    assert bursts(
        scanned(models, video(value=DARK), bursts={"base_rate": 0.0, "above": {"fight": 0.1}})
    )
    assert not bursts(
        scanned(models, video(value=BRIGHT), bursts={"base_rate": 0.0, "above": {"fight": 1.0}})
    )


def test_a_burst_supersedes_its_label_of_the_frames_near_it(models: Path) -> None:
    printed = scanned(models, video(value=BRIGHT), bursts={"base_rate": 0.0})

    assert all(
        "fight" not in line.scores and line.superseded["fight"] > 0.6 for line in frames(printed)
    )
    assert all("gun" in line.scores for line in frames(printed))
    (summary,) = [line for line in printed if isinstance(line, SummaryLine)]
    assert summary.peak_score["fight"] == max(line.scores["fight"] for line in bursts(printed))


def test_a_burst_changes_no_coverage(models: Path) -> None:
    without, with_bursts = (
        scanned(models, video(value=DARK), bursts={"base_rate": rate})[-1] for rate in (0.0, 1.0)
    )

    assert isinstance(without, SummaryLine)
    assert isinstance(with_bursts, SummaryLine)
    assert (without.coverage, without.medium, without.duration) == (
        with_bursts.coverage,
        with_bursts.medium,
        with_bursts.duration,
    )


def test_lines_come_in_order_of_time(models: Path) -> None:
    printed = scanned(models, video(value=BRIGHT), bursts={"base_rate": 1.0})

    times = [Fraction(line.at) for line in printed if isinstance(line, FrameLine)]
    assert times == sorted(times)


def test_the_lines_replay_to_the_same_incidents(models: Path) -> None:
    policy = {
        "fight": {"open": -2.5, "dwell": 0.5},
        "gun": {"open": -2.5, "dwell": 0.5, "when": ["camera", "rendered"]},
    }
    settings = Settings.model_validate(
        {"models": {"dir": models / "models"}, "bursts": {"base_rate": 1.0}, "policy": policy}
    )

    printed = scanned(models, video(value=BRIGHT), bursts={"base_rate": 1.0}, policy=policy)
    again = fold(
        inputs_of_lines(read_lines(dumps(line) for line in printed)),
        compose(settings).policies,
    )

    incidents = [line for line in printed if isinstance(line, IncidentLine)]
    assert any("fight" in line.labels for line in incidents)
    assert [incident_line(printed[0].path, incident) for incident in again.incidents] == incidents


def test_a_model_of_bursts_in_shadow_is_recorded_and_changes_nothing(models: Path) -> None:
    alone = scanned(
        models, video(value=BRIGHT), models={"dir": models / "models", "names": ["tiny"]}
    )

    tiny_burst(
        models / "models" / "tiny-clip",
        gate=GATE,
        edit=lambda text: text.replace(
            "[labels.fight]", "[labels.fight]\npolicy = { shadow = true }"
        ),
    )
    printed = scanned(models, video(value=BRIGHT), bursts={"budget": 1000})

    assert bursts(printed)
    assert all(not line.scores and set(line.shadow) == {"tiny-clip@1"} for line in bursts(printed))
    kept = [line for line in printed if not (isinstance(line, FrameLine) and line.burst)]
    assert [line for line in kept if not isinstance(line, SummaryLine)] == [
        line for line in alone if not isinstance(line, SummaryLine)
    ]
    (before,), (after,) = (
        [line for line in lines if isinstance(line, SummaryLine)] for lines in (alone, kept)
    )
    assert replace(after, frames=before.frames) == before


def kill_decoder() -> None:
    """Kill the child of the only zygote."""
    for process in psutil.Process().children(recursive=True):
        if process.ppid() != os.getpid():
            process.kill()


def test_a_decoder_that_is_killed_between_two_windows_changes_nothing(models: Path) -> None:
    path = models / "long.mkv"
    path.write_bytes(encode(container="matroska", frames=30 * 25, gop=400, bframes=2))
    settings = Settings.model_validate(
        {"models": {"dir": models / "models"}, "bursts": {"base_rate": 1.0, "budget": 1000}}
    )
    job = Job(
        segment=Segment(key=SegmentKey(stream_id=StreamId("s"), sequence=0), source=path),
        name="long",
        windowed=True,
    )
    with Sandbox() as sandbox:
        scorers = load_configured_scorers(settings)
        worker = SegmentWorker(
            sandbox, scorers, decode_request(settings, scorers), settings.reuse, settings.bursts
        )
        expected = list(worker.score(job))

        for number in range(len(expected) - 1):
            printed = []
            for outcome in worker.score(job):
                printed.append(outcome)
                if len(printed) == number + 1:
                    kill_decoder()
            assert printed == expected

    assert len(expected) == 4
    assert all(
        any(frame.burst for frame in outcome.frames)
        for outcome in expected
        if isinstance(outcome, ScoredSegment)
    )
