"""Streams with harmless incidents and their drawn evidence, as a running service leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

from sqlalchemy import insert

from samples.demo import RATE, TICK, draw_arena, draw_plasma, draw_shapes
from samples.drawing import paint
from samples.encoding import VideoRecipe, encode_file
from scanner.evidence.sheet import Tile, write_poster, write_sheet
from scanner.media.samples import Rgb
from scanner.settings.policies import policy_rows
from scanner.store.evidence import DuePiece, EvidenceJournal, MadePiece
from scanner.store.incident_queries import IncidentQueries
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.schema import configurations
from scanner.stream.inputs import EndTurn, StreamInput
from scanner.types import Medium, StreamId
from tests.intake.build import FoldingDriver
from tests.intake.conftest import RunningService
from tests.intake.evidence_rows import add_piece
from tests.stream.build import POLICIES, segment

SECONDS = 4
CALM = {0.0: 0.02, 1.0: 0.03, 2.0: 0.05, 3.0: 0.02}
BURNING = {0.0: 0.97, 1.0: 0.99, 2.0: 0.995, 3.0: 0.98}
FADING = {0.0: 0.6, 1.0: 0.2, 2.0: 0.04, 3.0: 0.02}
CAMERA, GAME = {Medium.CAMERA: 0.9}, {Medium.RENDERED: 0.9}
STORY = (CALM, CALM, BURNING, BURNING, FADING, CALM, CALM, CALM)
CLIP_START, CLIP_SECONDS = 3, 12


def write_configuration(service: RunningService) -> None:
    """Record the policies that the streams are folded with."""
    body = {"models": ["fake@1"], "labels": policy_rows(POLICIES)}
    row = {"generation": 0, "body": json.dumps(body), "created_at": 0.0}
    with service.journal.write() as connection:
        connection.execute(insert(configurations), row)


def add_stream(
    service: RunningService,
    name: str,
    *,
    channel: str = "demo",
    story: Sequence[Mapping[float, float]] = STORY,
    ends: bool = True,
) -> str:
    """Send and fold a stream in which something burns for a while; return its incident."""
    add_segments_to(service, name, story, channel=channel)
    if ends:
        end = EndTurn(stream_id=StreamId(name), path=name)
        FoldingDriver(service.journal).fold(name, end, channel=channel)
    return incident_of(service, name)


def add_segments_to(
    service: RunningService,
    name: str,
    story: Sequence[Mapping[float, float]],
    *,
    first: int = 0,
    channel: str = "demo",
) -> None:
    """Accept and fold segments of a stream from the sequence ``first`` on, without their media."""
    inputs: list[StreamInput] = []
    for number, scores in enumerate(story, first):
        new = NewSegment(
            stream=NewStream(stream_id=name, channel=channel),
            sequence=number,
            object=f"segments/{name}-{number}",
            bytes=1,
            sha256="00" * 32,
        )
        with service.journal.write() as connection:
            intake = Intake(connection, now=service.journal.now(), shard_count=64)
            assert intake.add_segment(new) == "accepted"
        medium = CAMERA if number < 5 else GAME
        inputs.append(segment(number, scores, stream=StreamId(name), medium=medium))
    FoldingDriver(service.journal).fold(name, *inputs, channel=channel)


def incident_of(service: RunningService, stream_id: str) -> str:
    """Return the only incident of a stream."""
    (incident,) = IncidentQueries(service.journal).incidents(stream_id=stream_id)
    return str(incident["id"])


def add_evidence(service: RunningService, incident: str, folder: Path) -> None:
    """Store a drawn clip with its poster, and a contact sheet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clip.mp4").write_bytes(draw_clip())
    frames = [_frame(at) for at in _tile_times()]
    poster = write_poster(_frame(8), folder, "p")
    sheet = write_sheet([Tile(image=one, caption="") for one in frames], folder, "s")
    span = [[CLIP_START, 1], [CLIP_START + CLIP_SECONDS, 1]]
    size = {"width": sheet.width, "height": sheet.height, "times": _tile_times()}
    facts = {
        "clip-1": ("clip.mp4", {"span": span, "truncated": False, "type": "video/mp4"}),
        "poster-1": (poster, {"type": "image/jpeg"}),
        "sheet": (sheet.sharp, size),
        "sheet-blurred": (sheet.blurred, size),
    }
    for piece, (file, result) in facts.items():
        incoming = service.objects.adopt(folder / file)
        name = f"clips/{incident}-{piece}{Path(file).suffix}"
        service.objects.put_many([(incoming, name)])
        add_piece(service.journal, incident, piece, status="due")
        due = DuePiece(
            incident_id=incident,
            piece=piece,
            shard=0,
            stream_id="",
            channel=None,
            due={},
            tries=0,
            spent=0.0,
        )
        made = MadePiece(piece=piece, object=name, result=result)
        EvidenceJournal(service.journal).finish(due, [made], seconds=0.1)


def _tile_times() -> list[float]:
    return [float(at) for at in range(CLIP_START + 1, CLIP_START + CLIP_SECONDS)]


def _frame(at: float) -> Rgb:
    """Return a small frame of what burns, drawn."""
    return draw_burning(at)[:180, :320].copy()


def draw_burning(t: float) -> Rgb:
    """Draw a scene with a bright shape between the seconds 8 and 16."""
    rgb = (draw_arena if t < 8 else draw_plasma if t < 16 else draw_shapes)(t)
    if 8 <= t < 16:
        paint(rgb, (0.35, 0.3, 0.65, 0.8), (250, 150, 30))
    return rgb


@cache
def draw_clip() -> bytes:
    """Return a clip of 12 s that browsers play."""
    step = TICK // RATE
    recipe = VideoRecipe(
        container="mp4",
        ticks=tuple(index * step for index in range(CLIP_SECONDS * RATE)),
        width=480,
        height=270,
        rate=Fraction(RATE),
        gop=2 * RATE,
        scene=lambda number, _: draw_burning(CLIP_START + number / RATE),
        mux={"movflags": "faststart"},
    )
    return encode_file(recipe)
