"""On a GPU the shipped models have the scores of the CPU, for single pictures and batches."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.cli.app import run
from scanner.media.samples import Sample
from scanner.report.line_text import loads
from scanner.report.lines import FrameLine
from scanner.scoring.options import Provider
from scanner.scoring.registry import check_models, load_scorers
from scanner.types import Scores

pytestmark = pytest.mark.gpu

TOLERANCE = 0.02
"""The tolerance of a probability, for fp16, TF32 and another order of sums."""


def pictures(count: int) -> list[Sample]:
    """Return random samples from a seed, with the specs of all shipped models."""
    random = np.random.default_rng(7)
    specs = {spec for scorer in load_scorers() for spec in scorer.inputs}
    return [
        Sample(
            at=Fraction(number),
            pts=number,
            keyframe=True,
            images={
                spec: random.integers(0, 256, spec.shape, dtype=np.uint8) // (1 + number % 4)
                for spec in specs
            },
        )
        for number in range(count)
    ]


def values(scores: list[Scores]) -> list[float]:
    return [value for one in scores for value in (*one.values.values(), *one.medium.values())]


def test_golden_scores_hold_on_the_gpu(gpu: Provider) -> None:
    assert [check.problem for check in check_models(provider=gpu)] == [""]


@pytest.mark.parametrize("count", [1, 3, 32])
def test_a_batch_on_the_gpu_scores_as_single_pictures_on_the_cpu(gpu: Provider, count: int) -> None:
    samples = pictures(count)

    for on_cpu, on_gpu in zip(load_scorers(), load_scorers(provider=gpu), strict=True):
        assert values(on_gpu.score(samples)) == pytest.approx(
            values(on_cpu.score(samples)), abs=TOLERANCE
        )


def test_a_scan_on_the_gpu_gives_the_scores_of_the_cpu(
    gpu: Provider, sample_media: Callable[[str], SampleFile], capsys: pytest.CaptureFixture[str]
) -> None:
    def scores(provider: str) -> list[float]:
        assert (
            run(["scan", "--json", "--provider", provider, str(sample_media("mp4_h264").path)]) == 0
        )
        frames = [
            line
            for line in map(loads, capsys.readouterr().out.splitlines())
            if isinstance(line, FrameLine)
        ]
        return [value for frame in frames for value in frame.scores.values()]

    assert scores(gpu) == pytest.approx(scores("cpu"), abs=TOLERANCE)


@pytest.mark.ray
def test_workers_that_share_a_gpu_give_the_scores_of_the_cpu(
    gpu: Provider, sample_media: Callable[[str], SampleFile]
) -> None:
    def frames(*options: str) -> list[dict[str, float]]:
        command = [
            sys.executable,
            "-m",
            "workers.cli",
            "scan",
            "--json",
            *options,
            *(str(sample_media(n).path) for n in ("mp4_h264", "ts_h264")),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = [json.loads(row) for row in done.stdout.splitlines()]
        return [
            row["scores"]
            for row in sorted(rows, key=lambda row: (row["path"], row.get("at", 0.0)))
            if row["type"] == "frame"
        ]

    one, other = frames("--provider", gpu, "--workers", "2"), frames("--provider", "cpu")

    assert len(one) == len(other)
    assert all(a == pytest.approx(b, abs=TOLERANCE) for a, b in zip(one, other, strict=True))
