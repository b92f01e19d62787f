"""However many models score, a source is decoded once, and each size of picture is made once a
sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from samples.facts import SampleFile
from scanner.compose import decode_request, load_configured_scorers
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.pipeline.worker import SegmentWorker
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.settings.sections import ModelSettings, Settings
from scanner.stream.inputs import Job
from scanner.types import FrameSpec, ScoredSegment, Segment, SegmentKey, StreamId

pytest.importorskip("onnx")
from tests.scoring.build_onnx import graph, save

SMALL, LARGE = FrameSpec(width=8, height=8), FrameSpec(width=16, height=16)


class Watched(Sandbox):
    """The real one, and what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[DecodeRequest] = []
        self.made: list[frozenset[FrameSpec]] = []

    def decode(
        self,
        source: Any,
        request: DecodeRequest,
        *,
        name: str,
        stream: str | None = None,
        init: Any = None,
        previous: Any = (),
        ahead: bool = True,
        budget: SourceBudget | None = None,
    ) -> Iterator[DecodedWindow]:
        self.requests.append(request)
        for decoded in super().decode(
            source, request, name=name, stream=stream, init=init, ahead=ahead, budget=budget
        ):
            self.made += [frozenset(sample.images) for sample in decoded.samples]
            yield decoded


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Three scorers: two take the same size, one another."""
    for name in ("one", "two"):
        save(tmp_path / name, graph())
    save(tmp_path / "large", graph(side=16), edit=lambda text: text.replace("= 8", "= 16"))
    return tmp_path


def test_three_models_decode_once_and_share_what_is_the_same(
    models: Path, sample_media: Callable[[str], SampleFile]
) -> None:
    settings = Settings(models=ModelSettings(dir=models), sampling={"max_gap": Fraction(1, 2)})
    scorers = load_configured_scorers(settings)
    key = SegmentKey(stream_id=StreamId("s"), sequence=0)
    job = Job(
        segment=Segment(key=key, source=sample_media("ts_h264").path), name="s", windowed=True
    )

    sandbox = Watched()
    with sandbox:
        request = decode_request(settings, scorers)
        outcomes = list(SegmentWorker(sandbox, scorers, request, settings.reuse).score(job))

    (scored,) = (outcome for outcome in outcomes if isinstance(outcome, ScoredSegment))
    (request,) = sandbox.requests
    assert len(request.specs) == len(set(request.specs))
    assert {SMALL, LARGE} < set(request.specs)
    assert set(sandbox.made) == {frozenset(request.specs)}
    assert {str(scores.model) for frame in scored.frames for scores in frame.scores} == {
        "test-card@1",
        "one@1",
        "two@1",
        "large@1",
    }
    assert len(sandbox.made) == len(scored.frames) > 4
