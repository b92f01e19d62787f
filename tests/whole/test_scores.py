"""The program's scores of a frame are those of the model's file, run by other code: plain
PyAV, swscale, onnxruntime."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from samples.facts import SampleFile

from .program import run

Media = Callable[[str], SampleFile]
MODEL = Path(__file__).resolve().parent.parent.parent / "models" / "streamwarden-frame"
SAMPLES = (
    "ts_h264",
    "ts_h264_b_frames",
    "mp4_hevc",
    "mp4_av1",
    "mkv_with_sound",
    "webm_vp9",
    "avi_mpeg4",
    "ts_mpeg2",
    "mp4_short_gops",
)
CLOSE = 1e-5
"""Tolerance of a probability: the order of additions may differ between builds of onnxruntime."""


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODEL / "frame.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def lines(sample_media: Media) -> dict[Path, list[dict[str, Any]]]:
    """The frames of each sample, from one run over all of them."""
    paths = [sample_media(name).path for name in SAMPLES]
    ended = run(
        "scan",
        "--json",
        "--max-gap",
        "0.5",
        *paths,
        extra={"STREAMWARDEN_MODELS__NAMES": f'["{MODEL.name}"]'},
    )
    frames: dict[Path, list[dict[str, Any]]] = {path: [] for path in paths}
    for line in map(json.loads, ended.stdout.splitlines()):
        if line["type"] == "frame":
            frames[Path(line["path"])].append(line)
    return frames


@pytest.mark.parametrize("name", SAMPLES)
def test_scores_are_those_of_an_independent_run_of_the_model(
    name: str,
    session: onnxruntime.InferenceSession,
    sample_media: Media,
    lines: dict[Path, list[dict[str, Any]]],
) -> None:
    path = sample_media(name).path
    frames = lines[path]

    pictures = dict(_pictures(path, {line["pts"] for line in frames}))
    assert len(frames) > 1
    for line in frames:
        labels, media = _scores(session, pictures[line["pts"]])
        assert {label: line["scores"][label] for label in labels} == pytest.approx(
            labels, abs=CLOSE
        )
        assert line["medium"] == pytest.approx(media, abs=CLOSE)


def _pictures(path: Path, wanted: set[int]) -> Iterator[tuple[int, VideoFrame]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.pts in wanted:
                yield frame.pts, frame


def _scores(
    session: onnxruntime.InferenceSession, frame: VideoFrame
) -> tuple[dict[str, float], dict[str, float]]:
    manifest = tomllib.loads((MODEL / "model.toml").read_text())
    rgb = (
        VideoReformatter()
        .reformat(frame, width=224, height=224, format="rgb24", interpolation="AREA")
        .to_ndarray()
    )
    outputs = {output["kind"]: output for output in manifest["outputs"]}
    labels, media = (
        session.run([outputs[kind]["name"]], {"image": rgb[None]})[0][0]
        for kind in ("label", "medium")
    )
    heat = np.exp(media / outputs["medium"].get("temperature", 1.0))
    return (
        {
            label: _calibrated(logit, manifest["labels"][label])
            for label, logit in zip(outputs["label"]["labels"], labels, strict=True)
        },
        dict(zip(outputs["medium"]["labels"], (heat / heat.sum()).tolist(), strict=True)),
    )


def _calibrated(logit: float, facts: dict[str, Any]) -> float:
    line = facts.get("calibration", {"a": 1.0, "b": 0.0})
    return float(1 / (1 + np.exp(-(line["a"] * logit + line["b"]))))
