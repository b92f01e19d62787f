"""Incidents of drawn streams, from the scan to the files beside the report."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import av
import cv2
import numpy as np
import pytest

from scanner.compose import open_score_job
from scanner.evidence.cut import cut
from scanner.evidence.index import SegmentIndex
from scanner.evidence.plan import ClipDue
from scanner.evidence.queue import EvidenceQueue
from scanner.evidence.store import EvidenceStore, open_evidence
from scanner.pipeline.scan import ScanEvent, scan
from scanner.pipeline.worker import LocalRunner, ScoreJob, StreamWorker
from scanner.report.nouns import IncidentReport, Sheet
from scanner.risk.incident import Closed
from scanner.risk.policy import Policies, Policy
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.options import MAX_BUDGET, BurstSelection
from scanner.scoring.test_card import TestCard, draw_card
from scanner.settings.policies import compose_policies
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.stream.events import SegmentScored, StreamFinished
from scanner.stream.inputs import Arrival, SegmentArrived
from scanner.testing.scorers import FakeScorer
from scanner.types import Burst, FileBeneath, FrameSpec, Label, Segment, SegmentKey, Span, StreamId
from tests.evidence.build import POLICIES, job, scored


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """The results of a scan with evidence."""

    events: list[ScanEvent]
    clips: list[str | None]
    """The first clip's path of each incident that closed."""
    incidents: list[IncidentReport]
    picture: Sheet | None


@pytest.fixture(scope="module")
def score() -> Iterator[ScoreJob]:
    with open_score_job(Settings(), Policies(labels={}), lambda: (TestCard(),)) as score:
        yield score


def scan_with_evidence(
    folder: Path,
    handed_in: Iterable[Arrival],
    score: ScoreJob,
    settings: Settings,
    policies: Policies | None = None,
) -> ScanResult:
    policies = compose_policies(settings, []) if policies is None else policies
    runner = LocalRunner(StreamWorker(score, policies))
    events: list[ScanEvent] = []
    clips: list[str | None] = []
    incidents: list[IncidentReport] = []
    picture: Sheet | None = None
    with open_evidence(folder, settings, policies) as store:
        for event in scan(handed_in, runner):
            events.append(event)
            clip = store.receive(event)
            if isinstance(event.event, Closed):
                clips.append(clip)
        store.finish()
        assert store.memory_bytes == 0
        for event in events:
            if isinstance(event.event, Closed):
                incidents.append(take(store, event.event))
            if isinstance(event.event, StreamFinished):
                picture = store.take_picture(event.path)
    return ScanResult(events=events, clips=clips, incidents=incidents, picture=picture)


def take(store: EvidenceStore, closed: Closed) -> IncidentReport:
    report = store.take_incident(closed.incident.id)
    assert report is not None
    assert store.take_incident(closed.incident.id) is None
    return report


def named(*paths: Path) -> Iterator[Arrival]:
    return read_sources([str(path) for path in paths], FetchLimits())


def in_memory(playlist: Path) -> Iterator[Arrival]:
    """The stream's segments as bytes, as they come from a network."""
    for arrival in named(playlist):
        if not isinstance(arrival, SegmentArrived):
            yield arrival
            continue
        segment = arrival.segment
        assert isinstance(segment.source, FileBeneath)
        data = segment.source.path.read_bytes()
        yield replace(arrival, segment=replace(segment, source=data))


def followed_by_its_beginning(handed_in: Iterable[Arrival]) -> Iterator[Arrival]:
    """The stream, then its first two segments again and again, which show no test card: its
    incident closes before it ends."""
    segments = [arrival for arrival in handed_in if isinstance(arrival, SegmentArrived)]
    yield from segments
    for number, arrival in enumerate(segments[:2] * 4, len(segments)):
        key = replace(arrival.segment.key, sequence=number)
        yield replace(arrival, segment=replace(arrival.segment, key=key, discontinuity=True))


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, card_stream: Path, score: ScoreJob
) -> tuple[Path, ScanResult]:
    """The folder and the result of a scan with the default settings."""
    folder = tmp_path_factory.mktemp("out")
    return folder, scan_with_evidence(folder, named(card_stream), score, Settings())


def length(clip: Path) -> float:
    with av.open(str(clip)) as container:
        return float((container.duration or 0) / av.time_base)


def test_an_incident_has_a_clip_with_its_pre_and_post_roll(
    plain: tuple[Path, ScanResult],
) -> None:
    folder, result = plain
    (report,), (clip,) = result.incidents, result.clips
    assert report.incident.end is not None

    assert clip == str(folder / report.clips[0].file)
    assert report.clips[0].span.start <= report.incident.start - 5
    assert report.clips[0].span.end >= report.incident.end + 5
    assert length(Path(clip)) == pytest.approx(float(report.clips[0].span.length), abs=0.1)


def test_an_incident_has_a_sheet_a_blurred_one_and_a_blurred_poster(
    plain: tuple[Path, ScanResult],
) -> None:
    folder, result = plain
    (report,) = result.incidents

    assert report.sheet is not None
    assert report.clips[0].poster is not None
    for file in (report.sheet.sharp, report.sheet.blurred, report.clips[0].poster):
        assert (folder / file).read_bytes()[:2] == b"\xff\xd8"


def test_a_clip_that_is_cut_again_is_the_same_to_the_byte(
    plain: tuple[Path, ScanResult], tmp_path: Path
) -> None:
    folder, result = plain
    (report,) = result.incidents
    index = SegmentIndex()
    for event in result.events:
        if isinstance(event.event, SegmentScored) and event.job is not None:
            index = index.add(event.event, event.job)
    end = report.incident.end or Fraction(0)
    span = Span(start=report.incident.start - 5, end=end + 5)
    due = ClipDue.from_json(ClipDue(incident_id="again", number=1, span=span).to_json())

    with Sandbox() as sandbox:
        clips = [
            cut(due, index.sources, sandbox=sandbox, folder=tmp_path, stream_id="s", name="again")
            for _ in range(2)
        ]

    assert clips[0] == clips[1]
    assert clips[0].span == report.clips[0].span
    assert (tmp_path / clips[0].file).read_bytes() == (folder / report.clips[0].file).read_bytes()


@pytest.mark.parametrize("hand_in", [named, in_memory])
def test_an_incident_that_closes_before_the_stream_ends_keeps_its_beginning(
    tmp_path: Path,
    card_stream: Path,
    score: ScoreJob,
    hand_in: Callable[[Path], Iterator[Arrival]],
) -> None:
    handed_in = followed_by_its_beginning(hand_in(card_stream))

    result = scan_with_evidence(tmp_path, handed_in, score, Settings())

    (report,) = result.incidents
    assert report.incident.reason == "quiet"
    assert report.clips[0].span.start <= report.incident.start - 5
    assert report.clips[0].poster is not None
    assert report.sheet is not None
    assert report.missing is None


def test_a_long_incident_is_cut_in_pieces_while_it_runs(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    settings = Settings(evidence=EvidenceSettings(clip_seconds=Fraction(5)))

    result = scan_with_evidence(tmp_path, named(card_stream), score, settings)

    (report,) = result.incidents
    spans = [clip.span for clip in report.clips]
    assert len(spans) >= 2
    assert all(later.start <= earlier.end for earlier, later in pairwise(spans))
    assert spans[-1].end >= (report.incident.end or 0)
    assert report.sheet is not None


def test_clips_beyond_the_limit_are_left_out_and_the_report_says_so(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    settings = Settings(evidence=EvidenceSettings(clip_seconds=Fraction(4), clips=1))

    result = scan_with_evidence(tmp_path, named(card_stream), score, settings)

    (report,) = result.incidents
    assert len(report.clips) == 1
    assert report.missing == "only the first 1 clips were cut"


def test_a_source_that_is_gone_when_the_clip_is_cut_is_reported_and_the_incident_stands(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    copytree(card_stream.parent, tmp_path / "live")
    stream = tmp_path / "live" / card_stream.name

    result = scan_with_evidence(tmp_path / "out", _without(stream, 3), score, Settings())

    (report,) = result.incidents
    assert report.clips == ()
    assert report.missing
    assert not list((tmp_path / "out").rglob("*.part"))


def test_evidence_that_takes_longer_than_its_time_is_named_in_the_report(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    evidence = EvidenceSettings(clip_seconds=Fraction(2), incident_seconds=1e-9)

    result = scan_with_evidence(tmp_path, named(card_stream), score, Settings(evidence=evidence))

    (report,) = result.incidents
    assert (report.clips, report.sheet) == ((), None)
    assert "the time for cutting is used up (evidence.incident_seconds 1e-09)" in (
        report.missing or ""
    )


def _without(playlist: Path, sequence: int) -> Iterator[Arrival]:
    """Hand in the stream; one segment is gone from disk once it was scored."""
    for arrival in named(playlist):
        yield arrival
        if isinstance(arrival, SegmentArrived) and arrival.segment.key.sequence == sequence:
            assert isinstance(arrival.segment.source, FileBeneath)
            arrival.segment.source.path.unlink()


def test_segments_dropped_from_memory_are_named_as_the_reason_why_evidence_is_missing(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    settings = Settings(evidence=EvidenceSettings(memory_bytes=1))

    result = scan_with_evidence(tmp_path, in_memory(card_stream), score, settings)

    (report,) = result.incidents
    assert result.clips == [None]
    assert report.sheet is None
    assert "clip 1: segments of 0:00.0 to" in (report.missing or "")
    assert "evidence.memory_bytes 1," in (report.missing or "")


def test_the_stream_that_holds_most_is_the_one_that_drops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    other = StreamId("greedy")
    settings = EvidenceSettings(memory_bytes=1000)
    with EvidenceQueue(settings, Sandbox) as queue:
        store = EvidenceStore(tmp_path, queue, POLICIES, settings)
        for sequence in range(4):
            small, large = scored(sequence), scored(sequence)
            key = SegmentKey(stream_id=other, sequence=sequence)
            large = replace(large, segment=replace(large.segment, key=key))
            store.receive(ScanEvent(path="a", event=small, job=job(bytes(50))))
            store.receive(ScanEvent(path="b", event=large, job=job(bytes(700))))
            assert store.memory_bytes <= 1000

    assert {record.__dict__["stream"] for record in caplog.records} == {other}


def test_segments_that_cannot_be_read_hold_no_memory(tmp_path: Path, score: ScoreJob) -> None:
    def hand_in() -> Iterator[Arrival]:
        for sequence in range(24):
            segment = Segment(
                key=SegmentKey(stream_id=StreamId("noise"), sequence=sequence),
                source=bytes([sequence]) * (1 << 20),
            )
            yield SegmentArrived(path="noise", segment=segment, name=f"noise/{sequence}")

    tracemalloc.start()
    try:
        scan_with_evidence(tmp_path, hand_in(), score, Settings())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20


def test_an_incident_after_a_jump_of_its_files_clock_has_its_sheet(
    tmp_path: Path, card_stream: Path, score: ScoreJob
) -> None:
    segments = [segment.read_bytes() for segment in sorted(card_stream.parent.glob("*.ts"))]
    late_then_early = tmp_path / "jumps.ts"
    late_then_early.write_bytes(segments[-1] + b"".join(segments[:-1]))

    result = scan_with_evidence(tmp_path / "out", named(late_then_early), score, Settings())

    (report,) = result.incidents
    assert report.sheet is not None
    assert report.clips[0].poster is not None


def test_a_flagged_still_has_its_picture(tmp_path: Path, score: ScoreJob) -> None:
    picture = tmp_path / "card.png"
    cv2.imwrite(str(picture), draw_card(320, 180)[..., ::-1])

    result = scan_with_evidence(tmp_path / "out", named(picture), score, Settings())

    assert result.incidents == []
    assert result.picture is not None
    assert (tmp_path / "out" / result.picture.blurred).exists()


def test_a_still_that_was_not_flagged_leaves_no_picture(tmp_path: Path, score: ScoreJob) -> None:
    picture = tmp_path / "grey.png"
    cv2.imwrite(str(picture), np.full((180, 320, 3), 128, np.uint8))

    result = scan_with_evidence(tmp_path / "out", named(picture), score, Settings())

    assert result.picture is None
    assert not any((tmp_path / "out").iterdir())


def test_an_incident_of_bursts_that_end_with_sampled_frames_has_its_sheet(
    tmp_path: Path, card_stream: Path
) -> None:
    fire, spec = Label("fire"), FrameSpec(width=8, height=8, burst=Burst(frames=3, rate=1))
    settings = Settings(bursts=BurstSelection(base_rate=1.0, budget=MAX_BUDGET))
    policies = Policies(
        labels={fire: Policy(category="hazard", open=-9.0, dwell=Fraction(0))},
        max_gap=Fraction(9, 4),
    )
    scorers = (TestCard(), FakeScorer("fire", spec=spec))

    with open_score_job(settings, policies, lambda: scorers) as score:
        result = scan_with_evidence(tmp_path, named(card_stream), score, settings, policies)

    segments = [e.event for e in result.events if isinstance(e.event, SegmentScored)]
    frames, bursts = (
        {
            segment.offset + frame.at
            for segment in segments
            for frame in segment.segment.frames
            if (frame.burst is not None) == is_burst
        }
        for is_burst in (False, True)
    )
    assert frames & bursts
    (report,) = result.incidents
    assert report.sheet is not None
