"""Recorded runs of a service: drawn scores, folded and committed as the driver does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import delete, select

from scanner.archive.compaction import ScoreArchive
from scanner.archive.reader import read_recorded
from scanner.pipeline.replay import fold, inputs_of_record
from scanner.risk.incident import Incident, PastIncident
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies, Policy
from scanner.settings.policies import channel_rows, policy_rows
from scanner.store.database import Journal
from scanner.store.history import read_channels
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.outcomes import StreamResult, TurnResult
from scanner.store.schema import shard_of, streams, turn_records
from scanner.store.score_parts import SCORES, ScoreParts
from scanner.store.turns import TurnJournal
from scanner.stream.advance import advance, close_turn
from scanner.stream.inputs import (
    EndTurn,
    FailedSegment,
    HistoryTurn,
    LateSegment,
    LostTurn,
    MissingTurn,
    SignalTurn,
    StallTurn,
    StreamInput,
)
from scanner.stream.state import StreamState
from scanner.types import (
    Burst,
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentKey,
    SegmentTimes,
    Span,
    StreamId,
    Unseen,
)
from tests.store.conftest import FakeClock
from workers.commit import verdict_of

FIRE, BLOOD, SMOKE = Label("fire"), Label("blood"), Label("smoke")
POLICIES = Policies(
    labels={
        FIRE: Policy(category="hazard", severity=2, open=2.0),
        BLOOD: Policy(category="violence", severity=3, open=2.5),
        SMOKE: Policy(category="hazard", severity=1, open=1.0, shadow=True),
    }
)
HOUR = 3600
TICK = Fraction(1, 90_000)
FRAME = ModelRef(name="frame", version="1.2")
CLIP = ModelRef(name="clip", version="0.4")
SECONDS = 2


@dataclass
class DrawnStream:
    """Draws the inputs of one stream: quiet parts, hot parts, and everything that can go wrong."""

    stream_id: StreamId
    random: Random
    hot: frozenset[Label] = frozenset()

    def inputs(self, count: int) -> Iterator[StreamInput]:
        """Yield inputs for ``count`` sequences, and the end."""
        for sequence in range(count):
            if sequence % 12 == 4:
                self.hot = frozenset(self.random.sample([FIRE, BLOOD, SMOKE], 2))
            if sequence % 12 == 9:
                self.hot = frozenset()
            yield from self._inputs_at(sequence)
        yield EndTurn(stream_id=self.stream_id, path=self.stream_id)

    def _inputs_at(self, sequence: int) -> Iterator[StreamInput]:
        key = SegmentKey(stream_id=self.stream_id, sequence=sequence)
        match sequence % 23:
            case 7:
                yield FailedSegment(key=key, kind="damaged", message="no picture")
            case 11:
                yield MissingTurn(stream_id=self.stream_id, first=sequence, last=sequence)
            case 13:
                yield self.segment(sequence)
                yield LateSegment(outcome=self.segment(sequence - 2))
            case 16:
                yield LostTurn(key=key, reason="shed", duration=Fraction(SECONDS))
            case 2:
                past = tuple(
                    PastIncident(id=name, opened=Fraction(-60), labels=(FIRE,)) for name in "xy"
                )
                yield HistoryTurn(stream_id=self.stream_id, incidents=past)
                yield self.segment(sequence)
            case 19:
                yield StallTurn(stream_id=self.stream_id)
                yield self.segment(sequence)
            case 21:
                at = Fraction(sequence * SECONDS)
                signal = Signal(at=at, name="chat", ratio=3.0, until=at + 9, labels=None)
                yield SignalTurn(stream_id=self.stream_id, signal=signal)
                yield self.segment(sequence)
            case _:
                yield self.segment(sequence)

    def segment(self, sequence: int) -> ScoredSegment:
        """Draw a segment of 2 s with four frames and one burst; some have a damaged frame."""
        start = sequence * SECONDS * 90_000 + 3003
        frames = [self.frame(start, number) for number in range(4)]
        end = frames[-1].at
        burst = replace(
            frames[-1],
            scores=(Scores(model=CLIP, values={BLOOD: self.value(BLOOD)}),),
            burst=Burst(frames=8, rate=5),
            start=end - Fraction(7, 5),
            context_medium={Medium.CAMERA: 0.75, Medium.SCREEN: 0.25},
        )
        frames[-1] = replace(frames[-1], superseded_labels=frozenset({BLOOD}))
        damaged = (frames.pop(0),) if sequence % 5 == 3 else ()
        gap = Unseen(span=Span(start=Fraction(0), end=Fraction(1, 3)), reason="undecodable")
        return ScoredSegment(
            key=SegmentKey(stream_id=self.stream_id, sequence=sequence),
            times=SegmentTimes(
                first_pts=start,
                last_pts=start + int(end / TICK),
                duration=Fraction(SECONDS),
                time_base=TICK,
                wrap_bits=33,
            ),
            frames=(*frames, burst),
            unseen=(gap,) if damaged else (),
            info=MediaInfo(container="mpegts", codec="h264", width=640, height=360),
            damaged=damaged,
            declared=Fraction(2002, 1001),
        )

    def frame(self, start: int, number: int) -> ScoredFrame:
        """Draw a frame at a time that no binary fraction holds."""
        at = Fraction(1001 * number, 2000)
        share = self.random.random()
        scores = Scores(
            model=FRAME,
            values={label: self.value(label) for label in (FIRE, BLOOD)},
            medium={Medium.CAMERA: share, Medium.RENDERED: 1 - share},
        )
        extra = Scores(
            model=CLIP, values={SMOKE: self.value(SMOKE)}, shadow={FIRE: 0.1 + share / 3}
        )
        return ScoredFrame(
            at=at,
            pts=start + int(at / TICK),
            keyframe=number == 0,
            scores=(scores, extra),
            reused=number == 2 and share > 0.5,
        )

    def value(self, label: Label) -> float:
        """Draw the score of a label."""
        low, high = (0.9, 0.999) if label in self.hot else (0.001, 0.4)
        return self.random.uniform(low, high)


@dataclass
class RecordedRun:
    """A data folder whose journal has the turns of drawn streams."""

    data: Path
    journal: Journal
    clock: FakeClock
    policies: Policies = POLICIES
    turns: TurnJournal = field(init=False)
    generation: int = field(init=False)
    verdicts: dict[str, str] = field(default_factory=dict)
    """The verdict in force of each item that was decided."""

    def __post_init__(self) -> None:
        self.turns = TurnJournal(self.journal)
        self.turns.take_over()
        body: dict[str, Any] = {
            "models": [str(FRAME), str(CLIP)],
            "labels": policy_rows(self.policies),
        }
        if channels := channel_rows(self.policies):
            body["channels"] = channels
        self.generation = self.turns.record_configuration(json.loads(json.dumps(body)))

    def record(
        self,
        stream_id: str,
        count: int,
        *,
        channel: str | None = "c",
        step: float = SECONDS,
        batch: int = 1,
    ) -> None:
        """Draw a stream of ``count`` sequences and commit ``batch`` turns at once, each ``step``
        seconds after the one before it and 1.5 s after its segment was received."""
        drawn = DrawnStream(StreamId(stream_id), Random(stream_id))
        self.record_inputs(stream_id, drawn.inputs(count), channel=channel, step=step, batch=batch)

    def record_inputs(
        self,
        stream_id: str,
        inputs: Iterable[StreamInput],
        *,
        channel: str | None = "c",
        step: float = SECONDS,
        batch: int = 1,
    ) -> None:
        """Fold and commit the inputs of a stream, as ``record`` does."""
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.journal.now(), shard_count=64)
            intake.add(NewStream(stream_id=stream_id, channel=channel))
        state = self.turns.load_state(stream_id)
        turns: list[TurnResult] = []
        for stream_input in inputs:
            self.clock.time += step
            turn, state = self._fold(state, stream_input)
            turns.append(turn)
            if len(turns) == batch or state.ended:
                self._commit(state, turns, channel)
                turns = []

    def _fold(
        self, state: StreamState, stream_input: StreamInput
    ) -> tuple[TurnResult, StreamState]:
        after, events = advance(state, stream_input, self.policies)
        verdict = next(filter(None, map(verdict_of, events)), None)
        turn = TurnResult(
            turn=state.turn,
            sequence=None if verdict is None else verdict.sequence,
            verdict=verdict,
            events=tuple(events),
        )
        return turn, close_turn(after, generation=self.generation)

    def _commit(self, state: StreamState, turns: list[TurnResult], channel: str | None) -> None:
        self._receive(state.stream_id, [one.sequence for one in turns], channel)
        result = StreamResult(
            stream_id=state.stream_id,
            shard=shard_of(state.stream_id),
            channel=channel,
            state=state,
            turns=tuple(turns),
        )
        assert self.turns.commit([result]) == ()

    def _receive(self, stream_id: str, sequences: list[int | None], channel: str | None) -> None:
        stream = NewStream(stream_id=stream_id, channel=channel)
        with self.journal.write() as connection:
            intake = Intake(connection, now=self.clock.time - 1.5, shard_count=64)
            for sequence in sequences:
                if sequence is not None:
                    name = f"segments/00/{stream_id}-{sequence}"
                    intake.add_segment(
                        NewSegment(
                            stream=stream,
                            sequence=sequence,
                            object=name,
                            bytes=3,
                            sha256="00" * 32,
                        )
                    )

    def archive(self, *, score_days: float = 180.0) -> ScoreArchive:
        """Return what compacts this run, as the delivery process starts it."""
        return ScoreArchive(
            ScoreParts(self.journal),
            self.data / SCORES,
            score_days=score_days,
            monotonic=self.clock,
        )

    def compact(self) -> None:
        """Compact everything, some hours later."""
        self.clock.time += 3 * HOUR
        run(self.archive())

    def files(self) -> list[str]:
        """Return the files of scores, by name."""
        folder = self.data / SCORES
        return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())

    def incidents(self) -> list[str]:
        """Return the incidents of the folded record, as exact JSON."""
        found = read_recorded(self.journal, self.data)
        channels = read_channels(self.journal)
        recorded = {
            name: replace(stream, channel=channels.get(name))
            for name, stream in inputs_of_record((name, name, e) for name, e in found).items()
        }
        return as_text(fold(recorded, self.policies).incidents)

    def forget_turns(self, count: int | None = None) -> None:
        """Delete the records of all turns, or of those before one, from the journal."""
        gone = delete(turn_records)
        with self.journal.write() as connection:
            connection.execute(gone if count is None else gone.where(turn_records.c.turn < count))


def run(archive: ScoreArchive) -> None:
    """Work until there is nothing to do."""
    while archive.step():
        pass


def as_text(incidents: Iterable[Incident]) -> list[str]:
    """Return incidents as exact JSON."""
    return [json.dumps(one.to_json(), sort_keys=True) for one in incidents]


def compacted(journal: Journal) -> dict[str, tuple[int, int]]:
    """Return the turns of each stream: those that are compacted, and all."""
    columns = streams.c
    with journal.read() as connection:
        rows = connection.execute(select(columns.stream_id, columns.compacted, columns.turn))
        return {row.stream_id: (row.compacted, row.turn) for row in rows}
