"""What was compacted replays to the same incidents, to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.archive import files
from scanner.archive.reader import read_recorded
from scanner.cli.app import run
from scanner.console.what_if import compare_policies
from scanner.errors import FormatError
from scanner.records.events import pack_events
from scanner.records.flat import flatten_events, restore_events
from scanner.stream.events import SegmentScored, StreamEvent
from tests.archive.build import RecordedRun


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams begin and end within row groups."""
    monkeypatch.setattr(files, "GROUP_ROWS", 300)


def without_risks(event: StreamEvent) -> StreamEvent:
    return replace(event, risks=()) if isinstance(event, SegmentScored) else event


def test_events_from_files_are_those_of_the_journal_but_for_the_folded_risks(
    recorded: RecordedRun,
) -> None:
    for name in ("a", "b", "c"):
        recorded.record(name, 48, step=60.0, batch=10)
    expected = [
        (name, without_risks(event))
        for name, event in read_recorded(recorded.journal, recorded.data)
    ]
    recorded.compact()
    recorded.forget_turns()

    found = [*read_recorded(recorded.journal, recorded.data)]
    assert found == expected
    assert [repr(one) for one in found] == [repr(one) for one in expected]


def test_files_and_journal_replay_to_the_incidents_of_the_journal_alone(
    recorded: RecordedRun,
) -> None:
    for name in ("a", "b", "c"):
        recorded.record(name, 48, step=60.0, batch=10)
    expected = recorded.incidents()
    assert len(expected) > 5

    recorded.compact()
    assert recorded.incidents() == expected
    recorded.forget_turns(21)  # by age: the first ones of each stream
    assert recorded.incidents() == expected
    recorded.forget_turns()
    assert recorded.incidents() == expected


def test_a_record_with_another_number_of_scores_is_refused(recorded: RecordedRun) -> None:
    recorded.record("s", 2)
    events = [event for _, event in read_recorded(recorded.journal, recorded.data)]
    flat = flatten_events(pack_events(events))
    values = [one.score for one in flat.scores]

    assert [*restore_events(flat.record, values)] == [without_risks(one) for one in events]
    with pytest.raises(FormatError, match="more scores"):
        restore_events(flat.record, values[:-1])
    with pytest.raises(FormatError, match="fewer scores"):
        restore_events(flat.record, [*values, 0.5])
    with pytest.raises(FormatError, match="version 9"):
        restore_events(flat.record.replace('"v":1', '"v":9'), values)


def test_replay_of_a_folder_lists_what_another_policy_changes(
    recorded: RecordedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        recorded.record(name, 30, batch=40)
    recorded.compact()
    recorded.forget_turns()
    capsys.readouterr()  # what the compaction logged
    config, policy = tmp_path / "now.toml", tmp_path / "then.toml"
    text = "[policy.fire]\nmethod = 'dwell'\nshadow = false\nopen = {}\n"
    config.write_text(text.format(0.5))
    policy.write_text(text.format(50.0))
    options = ["--config", str(config), "--policy", str(policy), "--json"]
    assert run(["replay", str(recorded.data), *options]) == 0
    *lost, kept = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert {one["change"] for one in lost} == {"lost"}
    assert {one["stream_id"] for one in lost} == {"a", "b"}
    assert [one["start"] for one in lost] == sorted(one["start"] for one in lost)
    assert kept["incidents"] == []


def test_policies_are_compared_over_files_as_over_the_journal(recorded: RecordedRun) -> None:
    for name in ("a", "b"):
        recorded.record(name, 40, batch=50)
    text = "[policy.fire]\nopen = 50.0\n[policy.blood]\nopen = 50.0\n"
    expected = compare_policies(recorded.journal, recorded.data, text, since=0.0)
    recorded.compact()
    recorded.forget_turns()

    assert expected["lost"] > 1
    assert compare_policies(recorded.journal, recorded.data, text, since=0.0) == expected
