"""The queries of docs/data.md give what a computation over the journal's events gives."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import select

from scanner.cli.app import run
from scanner.records.events import unpack_events
from scanner.risk.incident import Closed, Extended, Opened
from scanner.store.database import open_journal
from scanner.store.schema import streams, turn_records
from scanner.stream.events import SegmentLate, SegmentScored, StreamFinished
from scanner.types import Label, ScoredFrame, ScoredSegment
from tests.archive.build import FIRE, POLICIES, RecordedRun
from tests.archive.conftest import START
from tests.archive.test_labelled import decide
from tests.pages import ROOT
from tests.store.conftest import FakeClock

PAGE = (ROOT / "docs/data.md").read_text("utf-8")
VIEWS, *_ = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
QUERIES = dict(re.findall(r"^### ([^\n]+)\n\n```sql\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


@dataclass(frozen=True, kw_only=True)
class JournalScore:
    """One score as the journal's events have it."""

    stream_id: str
    channel: str
    turn: int
    hour: tuple[date, int]
    at: float
    frame: ScoredFrame
    model: str
    version: str
    label: str
    score: float
    risk: float | None
    shadow: bool
    damaged: bool
    late: bool


@dataclass(frozen=True, kw_only=True)
class JournalTurn:
    """One turn as the journal has it."""

    stream_id: str
    channel: str
    turn: int
    committed_at: float
    events: tuple[Any, ...]

    @property
    def hour(self) -> tuple[date, int]:
        moment = datetime.fromtimestamp(self.committed_at, UTC)
        return moment.date(), moment.hour

    @property
    def scores(self) -> Iterator[JournalScore]:
        """Every score of the turn."""
        for event in self.events:
            if isinstance(event, SegmentScored):
                risks = [one.risks(POLICIES) for one in event.risks]
                yield from self._of(event.segment, float(event.offset), risks, late=False)
            if isinstance(event, SegmentLate) and isinstance(event.outcome, ScoredSegment):
                yield from self._of(event.outcome, float(event.span.start), [], late=True)

    def _of(
        self, segment: ScoredSegment, start: float, risks: list[dict[Label, float]], *, late: bool
    ) -> Iterator[JournalScore]:
        for number, frame in enumerate((*segment.frames, *segment.damaged)):
            damaged = number >= len(segment.frames)
            for scores in frame.scores:
                for shadow, values in ((False, scores.values), (True, scores.shadow)):
                    for label, score in values.items():
                        folded = not (damaged or late or shadow)
                        yield JournalScore(
                            stream_id=self.stream_id,
                            channel=self.channel,
                            turn=self.turn,
                            hour=self.hour,
                            at=start + float(frame.at),
                            frame=frame,
                            model=scores.model.name,
                            version=scores.model.version,
                            label=label,
                            score=score,
                            risk=risks[number][label] if folded else None,
                            shadow=shadow,
                            damaged=damaged,
                            late=late,
                        )


@dataclass(frozen=True, kw_only=True)
class QueriedRun:
    """A compacted run: the turns that its journal had, and an open DuckDB."""

    turns: list[JournalTurn]
    database: duckdb.DuckDBPyConnection
    verdicts: dict[str, str]

    def query(self, title: str) -> list[tuple[Any, ...]]:
        """Run the query of a heading."""
        (name,) = (one for one in QUERIES if one.startswith(title))
        return self.database.execute(QUERIES[name]).fetchall()

    @property
    def scores(self) -> list[JournalScore]:
        """Every score of the run."""
        return [score for turn in self.turns for score in turn.scores]

    def events(self, kind: type) -> Iterator[tuple[JournalTurn, Any]]:
        """Yield the events of a kind."""
        for turn in self.turns:
            yield from ((turn, event) for event in turn.events if isinstance(event, kind))


@pytest.fixture(scope="module")
def queried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueriedRun]:
    """Three streams of two channels over three hours, compacted and exported."""
    folder = tmp_path_factory.mktemp("queries")
    clock = FakeClock()
    clock.time = START
    journal = open_journal(folder / "streamwarden-data", create=True, clock=clock)
    recorded = RecordedRun(data=folder / "streamwarden-data", journal=journal, clock=clock)
    for name, channel, batch in (("a", "first", 7), ("b", "second", 11), ("c", "first", 5)):
        recorded.record(name, 40, channel=channel, step=80.0, batch=batch)
    turns = [*read_turns(recorded)]
    verdicts = decide(recorded)
    recorded.compact()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMWARDEN_SERVICE__DATA", str(recorded.data))
        patch.chdir(folder)
        assert run(["records", "export", "decided.parquet"]) == 0
        with duckdb.connect() as database:
            database.execute(VIEWS)
            yield QueriedRun(turns=turns, database=database, verdicts=verdicts)
    journal.close()


def read_turns(recorded: RecordedRun) -> Iterator[JournalTurn]:
    query = select(turn_records, streams.c.channel).join(
        streams, streams.c.stream_id == turn_records.c.stream_id
    )
    with recorded.journal.read() as connection:
        for row in connection.execute(query):
            yield JournalTurn(
                stream_id=row.stream_id,
                channel=row.channel,
                turn=row.turn,
                committed_at=row.created_at,
                events=unpack_events(row.events),
            )


def grouped(found: Iterable[Any], key: Any) -> dict[Any, list[Any]]:
    groups = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return groups


def disc(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least a share of all values do not exceed."""
    ordered = sorted(values)
    return next(v for i, v in enumerate(ordered, 1) if i >= share * len(ordered))


def test_there_are_ten_queries() -> None:
    assert len(QUERIES) == 10


def test_scores_of_each_label_by_hour(queried: QueriedRun) -> None:
    expected = [
        (*hour, label, len(own), pytest.approx(sum(own) / len(own)), disc(own, 0.99))
        for (hour, label), found in sorted(
            grouped(queried.scores, lambda one: (one.hour, one.label)).items()
        )
        if (own := [one.score for one in found])
    ]
    assert len({row[:2] for row in expected}) > 2
    assert queried.query("Scores of each label") == expected


def test_highest_risk_of_each_label_by_channel(queried: QueriedRun) -> None:
    folded = [one for one in queried.scores if one.risk is not None]
    highest = {
        key: max(found, key=lambda one: one.risk)
        for key, found in grouped(folded, lambda one: (one.channel, one.label)).items()
    }
    rows = queried.query("Highest risk")

    assert {row[:3] for row in rows} == {(*key, one.risk) for key, one in highest.items()}
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    for channel, label, risk, stream_id, at in rows:
        assert any(
            (one.channel, one.label, one.risk, one.stream_id) == (channel, label, risk, stream_id)
            and one.at == pytest.approx(at)
            for one in folded
        )


def test_near_misses(queried: QueriedRun) -> None:
    opened = {(turn.stream_id, event.incident.label) for turn, event in queried.events(Opened)}
    folded = [one for one in queried.scores if one.risk is not None]
    peaks = {
        key: max(one.risk for one in found)
        for key, found in grouped(folded, lambda one: (one.stream_id, one.label)).items()
    }
    expected = {(*key, risk) for key, risk in peaks.items() if key not in opened}
    found = queried.query("Near misses")

    assert set(found) == expected
    assert len(opened) > 2
    assert len(found) == len(expected)


def test_coverage_of_each_stream(queried: QueriedRun) -> None:
    expected = {
        turn.stream_id: (float(event.summary.duration), event.summary.coverage)
        for turn, event in queried.events(StreamFinished)
    }
    found = {name: values for name, *values in queried.query("Coverage")}

    assert found == {name: pytest.approx(values) for name, values in expected.items()}
    assert all(0.5 < coverage < 1.0 for _, coverage in found.values())


def test_delay_from_the_segment_to_its_scores(queried: QueriedRun) -> None:
    segments = Counter(turn.hour for turn, _ in queried.events(SegmentScored))
    rows = queried.query("Delay")

    assert {(day, hour): count for day, hour, count, *_ in rows} == segments
    for *_, median, p99 in rows:
        assert (median, p99) == (pytest.approx(1.5), pytest.approx(1.5))


def test_share_of_false_flags_of_each_label_and_policy(queried: QueriedRun) -> None:
    labels = {  # of the latest revision
        event.incident.id: event.incident.label
        for turn in queried.turns
        for event in turn.events
        if isinstance(event, Opened | Extended | Closed)
    }
    decided = Counter(labels[name] for name in queried.verdicts)
    false = Counter(labels[name] for name, v in queried.verdicts.items() if v == "no_violation")
    found = queried.query("Share of false")

    assert {row[0]: row[2:] for row in found} == {
        label: (count, pytest.approx(false[label] / count)) for label, count in decided.items()
    }
    assert len({row[1] for row in found}) == len(found)


def test_models_and_versions_compared(queried: QueriedRun) -> None:
    key = ("label", "model", "version", "shadow")
    groups = grouped(
        (one for one in queried.scores if not one.damaged),
        lambda one: tuple(getattr(one, name) for name in key),
    )
    expected = [
        (
            *names,
            len(own),
            pytest.approx(sum(own) / len(own)),
            pytest.approx(sum(one >= 0.5 for one in own) / len(own)),
        )
        for names, found in sorted(groups.items())
        if (own := [one.score for one in found])
    ]
    assert queried.query("Models and versions") == expected
    assert (FIRE, "clip", "0.4", True) in groups


def test_share_of_each_medium_by_day(queried: QueriedRun) -> None:
    samples = {
        (one.hour[0], one.stream_id, one.turn, one.frame.pts, one.frame.burst is None): max(
            one.frame.medium, key=lambda medium: one.frame.medium[medium]
        )
        for one in queried.scores
    }
    counts = Counter((day, medium.value) for (day, *_), medium in samples.items())
    days = Counter(day for day, *_ in samples)
    found = queried.query("Share of each medium")

    assert found == [
        (day, medium, pytest.approx(count / days[day]))
        for (day, medium), count in sorted(counts.items())
    ]
    assert len(found) > 1


def test_streams_with_the_most_flags_in_shadow(queried: QueriedRun) -> None:
    flags = Counter(
        (turn.stream_id, turn.channel)
        for turn, event in queried.events(Opened)
        if event.incident.shadow
    )
    expected = sorted(
        ((name, channel, count) for (name, channel), count in flags.items()),
        key=lambda row: (-row[2], row[0]),
    )
    assert queried.query("Streams with the most flags") == expected
    assert expected


def test_scores_within_each_decided_incident(queried: QueriedRun) -> None:
    found = {row[0]: row[1:] for row in queried.query("Scores within")}
    ends = {}
    for turn in queried.turns:
        for event in turn.events:
            if hasattr(event, "incident"):
                ends[event.incident.id] = event.incident
    for name, (label, verdict, risk, count, highest) in found.items():
        incident = ends[name]
        own = [
            one.score
            for one in queried.scores
            if (one.stream_id, one.label) == (incident.stream_id, incident.label)
            and not (one.shadow or one.damaged or one.late)
            and float(incident.start) - 1e-9 <= one.at <= float(incident.end) + 1e-9
        ]
        assert (label, verdict) == (incident.label, queried.verdicts[name])
        assert (risk, count, highest) == (incident.peak, len(own), max(own))
    assert found.keys() == queried.verdicts.keys()


def test_the_columns_of_the_page_are_those_of_the_files(queried: QueriedRun) -> None:
    described = queried.database.execute("DESCRIBE scores").fetchall()
    partitions = {"date", "hour"}
    kinds = {"VARCHAR": "text", "VARCHAR[]": "list of text", "BIGINT": "integer"}
    kinds |= {"DOUBLE": "double", "BOOLEAN": "boolean", "TIMESTAMP WITH TIME ZONE": "timestamp"}
    columns = {name: kinds[kind] for name, kind, *_ in described if name not in partitions}
    part = PAGE[PAGE.index("## Columns") : PAGE.index("## Queries")]
    told = {
        name: kind
        for names, kind in re.findall(r"^\| (`[^|]+`) \| ([a-z ]+) \|", part, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == columns


def test_labelled_columns_of_the_page_are_those_of_the_file(queried: QueriedRun) -> None:
    described = queried.database.execute("DESCRIBE labelled").fetchall()
    part = PAGE[PAGE.index("## Labelled rows") :]
    names = re.findall(r"^\| (`[^|]+`) \|", part, re.MULTILINE)

    told = {one for name in names for one in re.findall(r"`(\w+)`", name)}
    assert told == {name for name, *_ in described}


def test_a_path_of_the_views_is_the_layout(queried: QueriedRun) -> None:
    found = sorted(Path("streamwarden-data/scores").rglob("*.parquet"))
    assert found
    assert all(re.fullmatch(r".*/date=[\d-]+/hour=\d\d/part-\d{6}\.parquet", str(p)) for p in found)
