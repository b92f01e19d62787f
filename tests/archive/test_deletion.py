"""Scores in files are deleted by age and on request, and a hold stops both."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from scanner.archive.files import read_turns
from scanner.errors import TransientError
from scanner.store.backup import back_up, restore
from scanner.store.database import open_journal
from scanner.store.holds import Holds
from scanner.store.removals import Removals
from scanner.store.schema import segments
from scanner.store.score_parts import SCORES, ScoreParts, score_part_streams, score_parts
from tests.archive.build import HOUR, RecordedRun, run

DAY = 86_400


def counts(recorded: RecordedRun) -> dict[str, int]:
    """Return the turns of each stream in files."""
    found = {}
    for name in ("a", "b"):
        paths = [recorded.data / SCORES / file for file in recorded.files()]
        found[name] = sum(len([*read_turns(path, name)]) for path in paths)
    return found


def has_bytes_of(recorded: RecordedRun, name: str) -> bool:
    """Return whether a file has the name of a stream in it, compressed or not."""
    files = (recorded.data / SCORES / file for file in recorded.files())
    return any(name.encode() in file.read_bytes() for file in files)


def unlink_media(recorded: RecordedRun) -> None:
    with recorded.journal.write() as connection:
        connection.execute(update(segments).values(stage="deleted"))


@pytest.fixture
def two(recorded: RecordedRun) -> RecordedRun:
    """A run of two streams in the same hour, compacted, whose media are gone."""
    recorded.record("a", 6, channel="first", batch=10)
    recorded.record("b", 6, channel="second", batch=10)
    recorded.compact()
    unlink_media(recorded)
    return recorded


def test_a_stream_that_is_deleted_on_request_leaves_its_files_before_its_rows(
    two: RecordedRun,
) -> None:
    removals = Removals(two.journal)
    removals.request(["a"], actor="lead", reason="r")
    before = counts(two)
    assert removals.step() is False
    assert counts(two) == before

    run(two.archive())
    assert counts(two) == {"a": 0, "b": before["b"]}
    assert removals.step() is True
    assert removals.list_all()[0].removed_at is not None
    with two.journal.read() as connection:
        left = connection.execute(select(score_part_streams.c.stream_id)).scalars().all()
        assert left == ["b"]
        facts = connection.execute(select(score_parts)).one()
    path = two.data / SCORES / facts.file
    assert (facts.turns, facts.bytes) == (before["b"], path.stat().st_size)


def test_a_file_of_which_every_stream_is_deleted_goes_with_its_folders(two: RecordedRun) -> None:
    Removals(two.journal).request(["a", "b"], actor="lead", reason="r")
    Removals(two.journal).step()
    run(two.archive())

    assert two.files() == []
    assert [*(two.data / SCORES).iterdir()] == []
    assert ScoreParts(two.journal).files() == set()


def test_a_deletion_that_was_interrupted_is_completed(
    two: RecordedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = counts(two)
    Removals(two.journal).request(["a"], actor="lead", reason="r")
    Removals(two.journal).step()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ScoreParts, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            run(two.archive())
    assert counts(two) == {"a": 0, "b": before["b"]}
    run(two.archive())
    assert Removals(two.journal).step() is True


@pytest.mark.parametrize(("kind", "name"), [("stream", "a"), ("channel", "first")])
def test_a_hold_keeps_scores_against_requests_and_age(
    two: RecordedRun, kind: str, name: str
) -> None:
    before, incidents = counts(two), two.incidents()
    Removals(two.journal).request(["a"], actor="lead", reason="r")
    Removals(two.journal).step()
    Holds(two.journal).add(kind, name, reason="case", actor="lead")
    two.forget_turns()
    assert two.incidents() == incidents  # a request that a hold stops hides nothing
    two.clock.time += 181 * DAY
    archive = two.archive()
    run(archive)
    assert counts(two) == {"a": before["a"], "b": 0}
    assert archive.step() is False

    Holds(two.journal).lift(kind, name)
    run(archive)
    assert two.files() == []


def test_whole_hours_are_deleted_at_their_age(recorded: RecordedRun) -> None:
    recorded.record("a", 6, batch=10)
    recorded.clock.time += HOUR
    recorded.record("b", 6, batch=10)
    recorded.compact()
    assert len(recorded.files()) == 2
    recorded.clock.time = recorded.clock.time // HOUR * HOUR - 3 * HOUR + 180 * DAY
    run(recorded.archive())
    assert counts(recorded)["a"] == 0
    assert counts(recorded)["b"] > 0


@pytest.mark.parametrize("damage", ["end", "middle", "all"])
def test_a_damaged_file_stops_neither_other_deletions_nor_compaction(
    recorded: RecordedRun, damage: str
) -> None:
    for name in ("a", "b"):
        recorded.record(name, 6, batch=10)
        recorded.compact()
    unlink_media(recorded)
    first, second = (recorded.data / SCORES / file for file in sorted(recorded.files()))
    data = bytearray(first.read_bytes())
    where = {"end": slice(-50, None), "middle": slice(4, 400), "all": slice(0, None)}[damage]
    data[where] = bytes(len(data[where]))
    first.write_bytes(data)
    Removals(recorded.journal).request(["a", "b"], actor="lead", reason="r")
    Removals(recorded.journal).step()

    for _ in range(2):
        with pytest.raises(TransientError, match=rf"cannot be deleted from .*{first.name}"):
            run(recorded.archive())
    assert (first.exists(), second.exists()) == (True, False)
    recorded.record("c", 6, batch=10)
    with pytest.raises(TransientError):
        recorded.compact()
    assert len(recorded.files()) == 2
    first.unlink()  # as an operator does
    run(recorded.archive())
    assert len(ScoreParts(recorded.journal).files()) == 1


def test_nothing_is_deleted_by_age_after_the_wall_clock_jumped(two: RecordedRun) -> None:
    ticks = [0.0]
    archive = two.archive()
    archive._monotonic = lambda: ticks[0]
    archive._clock = type(archive._clock)(offset=two.clock.time)
    archive.step()
    two.clock.time += 200 * DAY
    run(archive)

    assert len(two.files()) == 1


def test_a_backup_has_the_files_of_scores_and_restores_them(
    two: RecordedRun, tmp_path: Path
) -> None:
    before, incidents = counts(two), two.incidents()
    two.forget_turns()
    facts = back_up(two.data, tmp_path / "backup")
    assert facts.score_files == 1
    assert facts.score_bytes == sum((two.data / SCORES / one).stat().st_size for one in two.files())

    Removals(two.journal).request(["a"], actor="lead", reason="r")
    Removals(two.journal).step()
    run(two.archive())
    restore(tmp_path / "backup", tmp_path / "again")
    journal = open_journal(tmp_path / "again", clock=two.clock)
    other = RecordedRun(data=tmp_path / "again", journal=journal, clock=two.clock)
    assert counts(other) == before
    assert other.incidents() == incidents
    journal.close()


def test_a_file_that_is_replaced_while_a_backup_is_made_is_copied_again(
    two: RecordedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scanner.store.backup as module

    real = module._copy_journal

    def remove(*arguments: object) -> None:
        Removals(two.journal).request(["a"], actor="lead", reason="r")
        Removals(two.journal).step()
        run(two.archive())
        real(*arguments)

    monkeypatch.setattr(module, "_copy_journal", remove)
    back_up(two.data, tmp_path / "backup")
    (file,) = (tmp_path / "backup" / SCORES).rglob("*.parquet")
    assert [*read_turns(file, "a")] == []
