"""Scores move from the journal to files by hour, each exactly once, whatever ends the process."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, insert, update

from scanner.archive import compaction, files
from scanner.archive.reader import read_recorded
from scanner.errors import TransientError
from scanner.records.events import pack_events
from scanner.store.history import read_turn_records
from scanner.store.old_records import OldRecords
from scanner.store.schema import streams, turn_records
from scanner.store.score_parts import SCORES, ScoreParts
from scanner.stream.events import SegmentLate, SegmentScored
from tests.archive.build import FIRE, HOUR, POLICIES, RecordedRun, compacted, run


def rows(recorded: RecordedRun) -> list[dict[str, Any]]:
    """Return the rows of all files."""
    return [
        row
        for name in recorded.files()
        for row in pq.ParquetFile(recorded.data / SCORES / name).read().to_pylist()
    ]


def model_of(row: dict[str, Any]) -> str:
    """Return the model of a score, as it prints itself."""
    return f"{row['model']}@{row['version']}"


def turns(recorded: RecordedRun) -> Counter[tuple[str, int]]:
    """Return how often each turn of each stream is in a file."""
    found = (row for row in rows(recorded) if row["turn_event"] is not None)
    return Counter((row["stream_id"], row["turn"]) for row in found)


def all_turns(recorded: RecordedRun) -> Counter[tuple[str, int]]:
    """Return each turn of each stream once."""
    return Counter(
        (name, turn)
        for name, (_, count) in compacted(recorded.journal).items()
        for turn in range(count)
    )


def test_a_complete_hour_becomes_a_file_and_the_present_one_stays(recorded: RecordedRun) -> None:
    recorded.record("s", 30, step=120.0)
    archive = recorded.archive()
    assert archive.step() is True
    assert archive.step() is False

    assert recorded.files() == ["date=2025-11-29/hour=00/part-000001.parquet"]
    assert compacted(recorded.journal)["s"][0] == 29
    recorded.compact()
    assert recorded.files()[1:] == ["date=2025-11-29/hour=01/part-000002.parquet"]
    assert turns(recorded) == all_turns(recorded)


def test_an_hour_is_complete_two_minutes_after_its_end(recorded: RecordedRun) -> None:
    recorded.record("s", 2)
    recorded.clock.time = recorded.clock.time // HOUR * HOUR + HOUR + 119
    run(recorded.archive())
    assert recorded.files() == []
    recorded.clock.time += 1
    run(recorded.archive())
    assert len(recorded.files()) == 1


def test_every_score_of_the_journal_is_one_row(recorded: RecordedRun) -> None:
    recorded.record("s", 30, batch=10)
    expected: Counter[tuple[Any, ...]] = Counter()
    for _, event in read_recorded(recorded.journal, recorded.data):
        if isinstance(event, SegmentScored | SegmentLate):
            segment = event.segment if isinstance(event, SegmentScored) else event.outcome
            for frame in (*segment.frames, *segment.damaged):
                for scores in frame.scores:
                    for values in (scores.values, scores.shadow):
                        expected.update(
                            (segment.key.sequence, frame.pts, str(scores.model), label, value)
                            for label, value in values.items()
                        )
    recorded.compact()

    found = Counter(
        (row["sequence"], row["pts"], model_of(row), row["label"], row["score"])
        for row in rows(recorded)
        if row["label"] is not None
    )
    assert found == expected
    assert found.total() > 400


def test_times_of_rows_are_exact_and_risks_are_those_of_the_policies_then(
    recorded: RecordedRun,
) -> None:
    recorded.record("s", 12)
    samples = {}
    for _, event in read_recorded(recorded.journal, recorded.data):
        if isinstance(event, SegmentScored):
            for frame, risk in zip(event.segment.frames, event.risks, strict=True):
                at = event.offset + frame.at
                samples[at.numerator, at.denominator, frame.burst is None] = risk
    recorded.compact()

    folded = [row for row in rows(recorded) if row["risk"] is not None]
    assert len(folded) > 100
    for row in folded:
        key = (row["at_num"], row["at_den"], row["burst_frames"] is None)
        risks = samples[key].risks(recorded.policies)
        assert row["risk"] == risks[row["label"]]
        assert row["at_seconds"] == row["at_num"] / row["at_den"]
        assert not any((row["shadow"], row["damaged"], row["late"]))


def test_risks_of_a_channel_are_those_of_its_policies(recorded: RecordedRun) -> None:
    prior = replace(POLICIES.labels[FIRE], live_prior=0.25)
    policies = replace(POLICIES, channels=(("c", replace(POLICIES, labels={FIRE: prior})),))
    of_channel = RecordedRun(
        data=recorded.data, journal=recorded.journal, clock=recorded.clock, policies=policies
    )
    of_channel.record("a", 3, channel="c")
    of_channel.record("b", 3, channel="d")
    of_channel.compact()
    first = {row["stream_id"]: row["risk"] for row in reversed(rows(recorded)) if row["risk"]}

    assert first == {"a": pytest.approx(0.25), "b": pytest.approx(1 / 360)}


def test_a_score_in_shadow_a_damaged_one_and_a_late_one_have_no_risk(recorded: RecordedRun) -> None:
    recorded.record("s", 30, batch=10)
    recorded.compact()
    for mark in ("shadow", "damaged", "late"):
        marked = [row for row in rows(recorded) if row[mark]]
        assert marked
        assert {row["risk"] for row in marked} == {None}


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (files.PartWriter, "add"),
        (files.PartWriter, "_finish"),
        (ScoreParts, "add"),
        (compaction, "_part"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_ends_at_any_step_neither_loses_nor_doubles_a_turn(
    recorded: RecordedRun,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    after: bool,
) -> None:
    recorded.record("a", 20, batch=10)
    recorded.record("b", 20, step=200.0, batch=3)
    recorded.clock.time += 3 * HOUR
    real = getattr(owner, name)

    def die(*arguments: object, **named: object) -> None:
        if after:
            real(*arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, die)
        with pytest.raises(KeyboardInterrupt):
            run(recorded.archive())
    run(recorded.archive())

    assert turns(recorded) == all_turns(recorded)
    assert set(recorded.files()) == ScoreParts(recorded.journal).files()


def test_turns_of_an_hour_that_was_compacted_get_another_file_of_it(recorded: RecordedRun) -> None:
    recorded.record("a", 5)
    begun = recorded.clock.time
    recorded.compact()
    recorded.clock.time = begun  # the wall clock was set back
    recorded.record("b", 5)
    recorded.compact()

    assert recorded.files() == [
        "date=2025-11-29/hour=00/part-000001.parquet",
        "date=2025-11-29/hour=00/part-000002.parquet",
    ]
    assert turns(recorded) == all_turns(recorded)


def test_a_wall_clock_that_is_set_back_within_a_stream_loses_nothing(
    recorded: RecordedRun,
) -> None:
    recorded.record("s", 24, step=300.0)
    with recorded.journal.write() as connection:
        late = (turn_records.c.turn > 10) & (turn_records.c.turn < 20)
        back = update(turn_records).where(late)
        connection.execute(back.values(created_at=turn_records.c.created_at - 2 * HOUR))
    recorded.compact()

    assert turns(recorded) == all_turns(recorded)


def test_a_stream_that_is_removed_while_its_file_is_written_is_in_no_file(
    recorded: RecordedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.record("a", 5)
    recorded.record("b", 5)
    recorded.clock.time += 3 * HOUR
    real = ScoreParts.add

    def remove(parts: ScoreParts, *arguments: object) -> bool:
        with recorded.journal.write() as connection:
            connection.execute(delete(turn_records).where(turn_records.c.stream_id == "a"))
            connection.execute(delete(streams).where(streams.c.stream_id == "a"))
        return real(parts, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ScoreParts, "add", remove)
        assert recorded.archive().step() is True
    assert recorded.files() == []
    run(recorded.archive())
    assert {name for name, _ in turns(recorded)} == {"b"}


def test_a_record_leaves_the_journal_by_age_only_once_it_is_compacted(
    recorded: RecordedRun,
) -> None:
    recorded.record("s", 5)
    recorded.clock.time += 40 * 86_400
    old = OldRecords(recorded.journal)
    old.delete_records(before=recorded.clock.time)
    count = compacted(recorded.journal)["s"][1]
    assert len([*read_turn_records(recorded.journal, "s")]) == count

    run(recorded.archive())
    old.delete_records(before=recorded.clock.time)
    assert [*read_turn_records(recorded.journal, "s")] == []


def test_without_files_records_are_deleted_by_age_all_the_same(recorded: RecordedRun) -> None:
    recorded.record("s", 5)
    recorded.clock.time += 40 * 86_400
    run(recorded.archive(score_days=0))
    OldRecords(recorded.journal).delete_records(before=recorded.clock.time)

    assert recorded.files() == []
    assert [*read_turn_records(recorded.journal, "s")] == []


def test_a_record_of_another_release_keeps_its_place_and_stops_nothing(
    recorded: RecordedRun,
) -> None:
    recorded.record("s", 3)
    other = pack_events(())[:-1]  # cut off
    place = compacted(recorded.journal)["s"][1]
    row = {"stream_id": "s", "turn": place, "shard": 0, "generation": 1, "events": other}
    with recorded.journal.write() as connection:
        connection.execute(insert(turn_records), row | {"created_at": recorded.clock.time})
        connection.execute(update(streams).values(turn=place + 1))
    recorded.compact()

    assert turns(recorded) == all_turns(recorded)
    assert [row["turn"] for row in rows(recorded) if row["turn_event"] == "unreadable"] == [place]
    recorded.forget_turns()
    assert recorded.incidents() == []


def test_files_are_for_their_owner_alone(recorded: RecordedRun) -> None:
    recorded.record("s", 3)
    recorded.compact()
    (name,) = recorded.files()
    path = recorded.data / SCORES / name
    assert path.stat().st_mode & 0o077 == 0
    assert Path(path.parent).stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_an_error_of_each_step_until_it_can(
    recorded: RecordedRun,
) -> None:
    recorded.record("s", 30, step=120.0)
    blocked = recorded.data / SCORES
    blocked.write_text("")
    archive = recorded.archive()
    for _ in range(2):
        with pytest.raises(TransientError, match="scores cannot be written"):
            archive.step()
    blocked.unlink()
    run(archive)

    assert len(recorded.files()) == 1
