"""A decided incident becomes a labelled row, and labelled rows measure the policies."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from scanner.archive.labelled import labelled_row, read_labelled
from scanner.cli.app import run
from scanner.cli.eval_decided import eval_decided
from scanner.evaluate.decided import exact_interval, measure_decided
from scanner.risk.incident import Incident
from scanner.store.audit import AuditLog
from scanner.store.decided import decided_items, read_configurations
from scanner.store.review_schema import reviews
from scanner.store.reviews import NewDecision, ReviewJournal
from tests.archive.build import FIRE, POLICIES, RecordedRun

VERDICTS = ("violation", "no_violation", "violation")


def decide(recorded: RecordedRun) -> dict[str, str]:
    """Decide all items but the last one, as two people; return the verdicts."""
    with recorded.journal.read() as connection:
        query = select(reviews.c.item_id).order_by(reviews.c.flagged_at, reviews.c.item_id)
        names = list(connection.execute(query).scalars())
    given = {}
    journal = ReviewJournal(recorded.journal, sinks=())
    for name, verdict, person in zip(names[:-1], cycle(VERDICTS), cycle(("ann", "bob"))):
        new = NewDecision(verdict=verdict, person=person, reviewer=f"r-{person}", note="my note")
        journal.decide(name, new)
        given[name] = verdict
    return given


@pytest.fixture
def decided(recorded: RecordedRun, monkeypatch: pytest.MonkeyPatch) -> RecordedRun:
    """A run with decided incidents, whose data folder commands use."""
    recorded.record("a", 72, batch=80)
    recorded.verdicts = decide(recorded)
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(recorded.data))
    return recorded


def export(decided: RecordedRun, tmp_path: Path, name: str) -> list[dict[str, Any]]:
    assert run(["records", "export", str(tmp_path / name)]) == 0
    return read_labelled(tmp_path / name)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_each_decided_incident_is_a_row(decided: RecordedRun, tmp_path: Path, name: str) -> None:
    rows = export(decided, tmp_path, name)

    assert {row["item_id"]: row["verdict"] for row in rows} == decided.verdicts
    assert len(rows) > 3
    items = {one.item_id: one for one in decided_items(decided.journal)}
    for row in rows:
        incident = Incident.from_json(items[row["item_id"]].incident)
        policy = POLICIES.labels[incident.label]
        assert (row["label"], row["risk"]) == (incident.label, incident.peak)
        times = (float(incident.start), float(incident.opened))
        assert (row["start_seconds"], row["opened_seconds"]) == times
        assert row["threshold"] == policy.risk(policy.open)
        assert row["risk"] >= row["threshold"]
        assert (row["models"], row["generation"]) == ("frame@1.2 clip@0.4", 1)
        assert (row["by"], row["channel"], row["kind"]) == ("human", "c", "incident")
        assert row["decided_at"] >= row["flagged_at"]
    assert len({row["policy"] for row in rows}) == len({row["label"] for row in rows})
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_parquet_and_csv_have_the_same_rows(decided: RecordedRun, tmp_path: Path) -> None:
    parquet = export(decided, tmp_path, "rows.parquet")

    assert export(decided, tmp_path, "rows.csv") == parquet


def test_no_row_names_a_person_or_has_a_note(decided: RecordedRun, tmp_path: Path) -> None:
    export(decided, tmp_path, "rows.csv")

    text = (tmp_path / "rows.csv").read_text()
    for word in ("ann", "bob", "r-ann", "my note"):
        assert word not in text.replace("channel", "")


def test_a_decision_that_was_undone_is_no_row_and_a_second_one_counts(
    decided: RecordedRun,
) -> None:
    journal = ReviewJournal(decided.journal, sinks=())
    first, second, *_ = decided.verdicts
    journal.undo(first, person="ann", reviewer="r-ann", leads=True, within=1e9)
    journal.undo(second, person="ann", reviewer="r-ann", leads=True, within=1e9)
    new = NewDecision(verdict="violation", person="ann", reviewer="r-ann", reason="fire")
    journal.decide(second, new)

    found = {one.item_id: one for one in decided_items(decided.journal)}
    assert first not in found
    assert (found[second].verdict, found[second].reason) == ("violation", "fire")
    assert len(found) == len(decided.verdicts) - 1


def test_an_export_is_an_entry_of_the_audit_log(decided: RecordedRun, tmp_path: Path) -> None:
    rows = export(decided, tmp_path, "rows.csv")
    entries = [*AuditLog(decided.journal).entries()]

    assert (entries[-1].action, entries[-1].details) == ("decisions_exported", {"rows": len(rows)})


def test_a_file_of_another_kind_is_refused(
    decided: RecordedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["records", "export", str(tmp_path / "rows.json")]) == 2
    assert ".parquet or .csv" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("item_id,label\n1,fire\n")
    assert run(["eval", str(tmp_path / "other.csv")]) == 2
    assert "records export" in capsys.readouterr().err
    (tmp_path / "other.parquet").write_bytes(b"no")
    assert run(["eval", str(tmp_path / "other.parquet")]) == 2
    assert "cannot be read as Parquet" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_eval_measures_the_precision_of_each_label_and_policy(
    decided: RecordedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rows = export(decided, tmp_path, name)
    capsys.readouterr()
    assert run(["eval", "--json", str(tmp_path / name)]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert {one["label"] for one in found} == {row["label"] for row in rows}
    for one in found:
        own = [row for row in rows if row["label"] == one["label"]]
        violations = sum(row["verdict"] == "violation" for row in own)
        assert (one["decided"], one["violations"]) == (len(own), violations)
        assert one["precision"]["value"] == violations / len(own)
        for trial in one["trials"]:
            kept = [row for row in own if row["risk"] >= trial["threshold"]]
            right = sum(row["verdict"] == "violation" for row in kept)
            assert (trial["flagged"], trial["violations"]) == (len(kept), right)
            assert trial["lost"] == violations - right
    assert sum(one["decided"] for one in found) == len(rows)


def test_an_item_of_two_exports_counts_once_with_its_latest_verdict(
    decided: RecordedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = export(decided, tmp_path, "first.parquet")
    journal, (name, *_) = ReviewJournal(decided.journal, sinks=()), decided.verdicts
    journal.undo(name, person="ann", reviewer="r-ann", leads=True, within=1e9)
    decided.clock.time += 60
    other = "no_violation" if decided.verdicts[name] == "violation" else "violation"
    journal.decide(name, NewDecision(verdict=other, person="ann", reviewer="r-ann"))
    second = export(decided, tmp_path, "second.csv")
    capsys.readouterr()

    both = [str(tmp_path / one) for one in ("second.csv", "first.parquet")]
    assert run(["eval", "--json", *both]) == 0

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(one["decided"] for one in found) == len(first)
    violations = sum(row["verdict"] == "violation" for row in second)
    assert sum(one["violations"] for one in found) == violations


def test_eval_prints_a_table(
    decided: RecordedRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(decided, tmp_path, "rows.csv")
    assert eval_decided([tmp_path / "rows.csv"], as_json=False) == 0

    text = capsys.readouterr().out
    assert "Precision of" in text
    assert "lost)" in text


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    known = {(0, 10): (0.0, 0.3085), (10, 10): (0.6915, 1.0), (1, 1): (0.025, 1.0)}
    known |= {(50, 100): (0.3983, 0.6017), (3, 40): (0.0157, 0.2039)}
    for (successes, trials), expected in known.items():
        found = exact_interval(successes, trials)
        assert (round(found.low, 4), round(found.high, 4)) == expected
        assert found.value == successes / trials


def test_rows_of_other_policies_or_models_are_measured_apart(decided: RecordedRun) -> None:
    items = [one for one in decided_items(decided.journal) if one.label == FIRE]
    configurations = read_configurations(decided.journal)
    labels = {**configurations[1]["labels"]}
    other = {**configurations[1], "labels": {**labels, FIRE: {**labels[FIRE], "open": 3.0}}}
    same = {**configurations[1], "models": ["frame@1.3"]}
    rows = [labelled_row(one, configurations) for one in items]
    again = [labelled_row(one, {1: other}) for one in items]
    third = [labelled_row(one, {1: same}) for one in items]

    measured = measure_decided([*rows, *again, *third])
    assert [one.decided for one in measured] == [len(items)] * 3
    assert len({(one.policy, one.models) for one in measured}) == 3
    assert POLICIES.labels[FIRE].risk(3.0) in {one.threshold for one in measured}


def test_the_policy_of_a_row_is_that_of_its_channel(recorded: RecordedRun) -> None:
    lower = {label: replace(one, open=one.open / 2) for label, one in POLICIES.labels.items()}
    run_ = RecordedRun(
        data=recorded.data,
        journal=recorded.journal,
        clock=recorded.clock,
        policies=replace(POLICIES, channels=(("strict*", replace(POLICIES, labels=lower)),)),
    )
    for name, channel in (("a", "strict-1"), ("b", "other")):
        run_.record(name, 40, channel=channel, batch=50)
    decide(run_)
    configurations = read_configurations(run_.journal)
    rows = [labelled_row(one, configurations) for one in decided_items(run_.journal)]

    assert {row["channel"] for row in rows} == {"strict-1", "other"}
    for row in rows:
        policy = (lower if row["channel"] == "strict-1" else POLICIES.labels)[row["label"]]
        assert row["threshold"] == policy.risk(policy.open)
