"""Incidents of real (drawn) streams, from the scan to the files beside the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from samples.demo import CARD_STREAM
from scanner.arrivals import Arrival, Arrived
from scanner.evidence.room import EvidenceRoom, open_room
from scanner.lines import FrameLine, IncidentLine
from scanner.risk.policy import Policies, Policy
from scanner.runner import LocalRunner, Runner, open_worker
from scanner.scan import scan
from scanner.scoring.options import BurstSelection
from scanner.scoring.test_card import TestCard, draw_card
from scanner.settings.policies import compose_policies
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.testing.scorers import FakeScorer
from scanner.types import Burst, FrameSpec, Label


@pytest.fixture(scope="session")
def card_stream(demo_media: Path) -> Path:
    """The playlist of a stream of 18 s that shows the test card from 6 to 12."""
    return demo_media / CARD_STREAM / "index.m3u8"


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with open_worker(Settings(), (TestCard(),)) as worker:
        yield LocalRunner(worker)


def shown(
    folder: Path, source: Path, runner: Runner, settings: Settings, *, lost: int | None = None
) -> tuple[EvidenceRoom, list[IncidentLine]]:
    """The room after a scan, and its incidents.

    The segment ``lost`` is gone from disk before a clip is cut.
    """
    policies = compose_policies(settings, [])
    with open_room(folder, settings, policies) as room:
        said = scan(_handed(source, lost), policies, runner, evidence=room)
        return room, [line for line in said if isinstance(line, IncidentLine)]


def _handed(source: Path, lost: int | None) -> Iterator[Arrival]:
    for arrival in read_sources([str(source)], FetchLimits()):
        yield arrival
        if isinstance(arrival, Arrived) and arrival.segment.key.sequence == lost:
            assert isinstance(arrival.segment.source, Path)
            arrival.segment.source.unlink()


@pytest.fixture(scope="module")
def plain(
    tmp_path_factory: pytest.TempPathFactory, card_stream: Path, runner: Runner
) -> tuple[Path, EvidenceRoom, IncidentLine]:
    """The folder, the room and the incident of a scan with the default settings."""
    folder = tmp_path_factory.mktemp("out")
    room, (incident,) = shown(folder, card_stream, runner, Settings())
    return folder, room, incident


def length(clip: Path) -> float:
    with av.open(str(clip)) as container:
        return float((container.duration or 0) / av.time_base)


def test_an_incident_has_a_clip_with_its_pre_and_post_roll(
    plain: tuple[Path, EvidenceRoom, IncidentLine], card_stream: Path
) -> None:
    folder, room, incident = plain

    (finding,) = room.findings[str(card_stream)]
    assert incident.clip == str(folder / finding.clips[0].file)
    assert finding.clips[0].start <= incident.start - 5
    assert finding.clips[0].end >= incident.end + 5
    assert length(Path(incident.clip)) == pytest.approx(
        finding.clips[0].end - finding.clips[0].start, abs=0.1
    )


def test_an_incident_has_a_sheet_a_blurred_one_and_a_blurred_poster(
    plain: tuple[Path, EvidenceRoom, IncidentLine], card_stream: Path
) -> None:
    folder, room, _ = plain

    (finding,) = room.findings[str(card_stream)]
    assert finding.sheet is not None
    assert finding.clips[0].poster is not None
    for file in (finding.sheet.sharp, finding.sheet.blurred, finding.clips[0].poster):
        assert (folder / file).read_bytes()[:2] == b"\xff\xd8"


def test_a_long_incident_is_cut_in_pieces_while_it_runs(
    tmp_path: Path, card_stream: Path, runner: Runner
) -> None:
    settings = Settings(evidence=EvidenceSettings(clip_seconds=Fraction(5)))

    room, (incident,) = shown(tmp_path, card_stream, runner, settings)

    (finding,) = room.findings[str(card_stream)]
    assert len(finding.clips) >= 2
    assert all(
        later.start <= earlier.end
        for earlier, later in zip(finding.clips, finding.clips[1:], strict=False)
    )
    assert finding.clips[-1].end >= incident.end


def test_clips_beyond_the_limit_are_left_out_and_the_finding_says_so(
    tmp_path: Path, card_stream: Path, runner: Runner
) -> None:
    settings = Settings(evidence=EvidenceSettings(clip_seconds=Fraction(4), clips=1))

    room, _ = shown(tmp_path, card_stream, runner, settings)

    (finding,) = room.findings[str(card_stream)]
    assert len(finding.clips) == 1
    assert finding.missing == "only the first 1 clips were cut"


def test_a_source_that_is_gone_when_the_clip_is_cut_is_said_and_the_incident_stands(
    tmp_path: Path, card_stream: Path, runner: Runner
) -> None:
    stream = shutil.copytree(card_stream.parent, tmp_path / "live") / card_stream.name

    room, (incident,) = shown(tmp_path / "out", stream, runner, Settings(), lost=3)

    (finding,) = room.findings[str(stream)]
    assert incident.clip is None
    assert finding.missing
    assert not list((tmp_path / "out").rglob("*.part"))


def test_an_incident_after_a_jump_of_its_files_clock_has_its_sheet(
    tmp_path: Path, card_stream: Path, runner: Runner
) -> None:
    segments = [segment.read_bytes() for segment in sorted(card_stream.parent.glob("*.ts"))]
    late_then_early = tmp_path / "jumps.ts"
    late_then_early.write_bytes(segments[-1] + b"".join(segments[:-1]))

    room, _ = shown(tmp_path / "out", late_then_early, runner, Settings())

    (finding,) = room.findings[str(late_then_early)]
    assert finding.sheet is not None
    assert finding.clips[0].poster is not None


def test_the_risk_of_every_sample_is_kept_for_the_timeline(
    plain: tuple[Path, EvidenceRoom, IncidentLine], card_stream: Path
) -> None:
    _, room, incident = plain

    timeline = room.timelines[str(card_stream)]
    assert [point.at for point in timeline] == sorted(point.at for point in timeline)
    assert max(timeline, key=lambda point: point.risk["test_card"]).at >= incident.opened


def test_a_still_that_was_flagged_has_its_picture(tmp_path: Path, runner: Runner) -> None:
    picture = tmp_path / "card.png"
    cv2.imwrite(str(picture), draw_card(320, 180)[..., ::-1])

    room, incidents = shown(tmp_path / "out", picture, runner, Settings())

    assert incidents == []
    assert (tmp_path / "out" / room.stills[str(picture)].blurred).exists()


def test_a_still_that_was_not_flagged_leaves_no_picture(tmp_path: Path, runner: Runner) -> None:
    picture = tmp_path / "grey.png"
    cv2.imwrite(str(picture), np.full((180, 320, 3), 128, np.uint8))

    room, _ = shown(tmp_path / "out", picture, runner, Settings())

    assert room.stills == {}
    assert not any((tmp_path / "out").iterdir())


def test_an_incident_of_bursts_that_end_with_sampled_frames_has_its_sheet(
    tmp_path: Path, card_stream: Path
) -> None:
    fire, spec = Label("fire"), FrameSpec(width=8, height=8, burst=Burst(frames=3, rate=1))
    settings = Settings(bursts=BurstSelection(base_rate=1.0))
    policies = Policies(
        labels={fire: Policy(category="hazard", open=-9.0, dwell=Fraction(0))},
        max_gap=Fraction(9, 4),
    )
    scorers = (TestCard(), FakeScorer("fire", spec=spec))

    with open_worker(settings, scorers) as worker, open_room(tmp_path, settings, policies) as room:
        said = list(scan(_handed(card_stream, None), policies, LocalRunner(worker), evidence=room))
        (finding,) = room.findings[str(card_stream)]

    looks = [line for line in said if isinstance(line, FrameLine)]
    frames, bursts = (
        {line.at for line in looks if bool(line.burst) == moving} for moving in (False, True)
    )
    assert frames & bursts
    assert finding.sheet is not None
    times = [point.at for point in room.timelines[str(card_stream)]]
    assert times == sorted(frames | bursts)
