"""Lines of JSON in a folder: durable before their receipt, whole, in order, and rotated."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from scanner.delivery.json_lines import JsonLinesFolder
from scanner.delivery.receiver import Answer
from scanner.delivery.sender import SinkSender, settings_digest
from scanner.settings.service import JsonLinesSettings, ServiceSettings
from scanner.store.conditions import AlarmJournal
from scanner.store.database import Journal
from scanner.store.effects import EffectJournal
from scanner.store.schema import effects as effect_rows
from tests.delivery.rows import add_revisions, statuses
from tests.store.conftest import FakeClock

Write = Callable[[int, bytes], int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lines" / "own"


@pytest.fixture
def settings(folder: Path) -> JsonLinesSettings:
    return JsonLinesSettings(folder=folder, max_bytes=32_768)


def post(sink: JsonLinesFolder, *names: str, size: int = 2) -> list[Answer]:
    messages = [(name, json.dumps({"text": "x" * size})) for name in names]
    return asyncio.run(sink.post_all(messages, now=lambda: 0.0))


def close(sink: JsonLinesFolder) -> None:
    asyncio.run(sink.close())


def ids(folder: Path, number: int = 1) -> list[str]:
    lines = (folder / f"incidents-{number:06}.jsonl").read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


def places(answers: Sequence[Answer]) -> list[Any]:
    return [None if one.place is None else one.place["offset"] for one in answers]


class FullDisk:
    """A disk that has room for some bytes; a write that does not fit is cut, or fails."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "full")
        written = os.write(descriptor, data[: self.room])
        self.room -= written
        return written


def test_a_receipt_names_the_file_and_the_offset_of_its_line(
    settings: JsonLinesSettings, folder: Path
) -> None:
    sink = JsonLinesFolder(settings)

    answers = [*post(sink, "a", "b"), *post(sink, "c")]

    data = (folder / "incidents-000001.jsonl").read_bytes()
    assert [one.result for one in answers] == ["delivered"] * 3
    for name, answer in zip("abc", answers, strict=True):
        assert answer.place is not None
        assert answer.place["file"] == "incidents-000001.jsonl"
        line = data[answer.place["offset"] :].split(b"\n")[0]
        assert json.loads(line)["id"] == name
    assert (folder / "incidents-000001.jsonl").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    close(sink)


def test_a_full_file_is_followed_by_the_next_and_the_oldest_are_deleted(folder: Path) -> None:
    settings = JsonLinesSettings(folder=folder, max_bytes=32_768, keep=2)
    sink = JsonLinesFolder(settings)

    for number in range(5):
        post(sink, str(number), size=20_000)

    assert sorted(path.name[10:16] for path in folder.iterdir()) == ["000004", "000005"]
    assert (ids(folder, 4), ids(folder, 5)) == (["3"], ["4"])
    close(sink)
    kept = JsonLinesFolder(settings.model_copy(update={"keep": 0}))
    post(kept, "5", "6", size=20_000)
    assert [ids(folder, number) for number in (4, 5, 6, 7)] == [["3"], ["4"], ["5"], ["6"]]


@pytest.mark.parametrize("torn", [b'{"id":"b', b"\0" * 70_000, b'{"id":"b"}'])
def test_a_line_that_was_torn_is_cut_and_joined_with_no_other(
    settings: JsonLinesSettings, folder: Path, torn: bytes
) -> None:
    first = JsonLinesFolder(settings.model_copy(update={"max_bytes": 1 << 20}))
    post(first, "a")
    close(first)
    with (folder / "incidents-000001.jsonl").open("ab") as file:
        file.write(torn)

    post(JsonLinesFolder(settings.model_copy(update={"max_bytes": 1 << 20})), "b")

    assert ids(folder) == ["a", "b"]


def test_a_full_disk_delivers_nothing_of_a_batch_and_leaves_no_part_of_a_line(
    settings: JsonLinesSettings, folder: Path
) -> None:
    disk = FullDisk(room=50)
    sink = JsonLinesFolder(settings, write=disk.write)
    post(sink, "a")

    failed = post(sink, "b", "c")

    assert [one.result for one in failed] == ["failed", "failed"]
    assert "No space left on device" in str(failed[0].error)
    assert ids(folder) == ["a"]
    disk.room = 10_000
    assert places(post(sink, "b", "c")) == [24, 48]
    assert ids(folder) == ["a", "b", "c"]
    close(sink)


def test_a_process_that_dies_in_a_line_is_followed_by_one_that_sends_it_whole(
    settings: JsonLinesSettings, folder: Path
) -> None:
    class PowerCutError(Exception):
        pass

    def write(descriptor: int, data: bytes) -> int:
        os.write(descriptor, data[:7])
        raise PowerCutError

    dying = JsonLinesFolder(settings, write=write)
    with pytest.raises(PowerCutError):
        post(dying, "a")
    close(dying)

    post(JsonLinesFolder(settings), "a")

    assert ids(folder) == ["a"]


def test_two_processes_never_write_to_one_folder(settings: JsonLinesSettings, folder: Path) -> None:
    first, second = JsonLinesFolder(settings), JsonLinesFolder(settings)
    post(first, "a")

    assert post(second, "b")[0].result == "failed"

    close(first)
    assert post(second, "b")[0].result == "delivered"
    assert ids(folder) == ["a", "b"]


def test_a_file_that_was_taken_away_is_begun_anew(
    settings: JsonLinesSettings, folder: Path
) -> None:
    sink = JsonLinesFolder(settings)
    post(sink, "a")
    (folder / "incidents-000001.jsonl").unlink()

    post(sink, "b")

    assert ids(folder) == ["b"]


# With the journal


def open_sender(
    journal: Journal, settings: JsonLinesSettings, clock: FakeClock
) -> tuple[SinkSender, EffectJournal]:
    effects = EffectJournal(journal)
    effects.register_sinks({"hook": settings_digest(settings)})
    return SinkSender("hook", settings, effects, now=clock, draw=lambda: 0.5), effects


def test_revisions_become_lines_in_order_with_receipts(
    journal: Journal, wall_clock: FakeClock, settings: JsonLinesSettings, folder: Path
) -> None:
    for name in ("a1", "b2"):
        add_revisions(journal, ["opened", "closed"], incident_id=name, stream_id=name)
    sender, _ = open_sender(journal, settings, wall_clock)

    while sender.send_due():
        pass
    sender.close()

    lines = [
        json.loads(line) for line in (folder / "incidents-000001.jsonl").read_text().splitlines()
    ]
    assert [line["id"] for line in lines] == ["a1-1", "b2-1", "a1-2", "b2-2"]
    schema = json.loads(
        files("scanner.delivery").joinpath("webhook.schema.json").read_text("utf-8")
    )
    for line in lines:
        jsonschema.validate({key: line[key] for key in line if key != "id"}, schema)
    with journal.read() as connection:
        receipts = [json.loads(row.receipt) for row in connection.execute(select(effect_rows))]
    assert {one["file"] for one in receipts} == {"incidents-000001.jsonl"}
    assert all(one["seconds"] >= 0 for one in receipts)


def test_a_folder_that_cannot_be_written_is_tried_again_and_shown(
    journal: Journal, wall_clock: FakeClock, settings: JsonLinesSettings, folder: Path
) -> None:
    folder.parent.mkdir()
    folder.write_text("a file")
    add_revisions(journal, ["opened"])
    sender, _ = open_sender(journal, settings, wall_clock)

    assert sender.send_due()
    assert statuses(journal) == [(1, "pending")]
    alarms = AlarmJournal(journal)
    (failing,) = alarms.failing_sinks()
    assert (failing.sink, "cannot be written" in str(failing.error)) == ("hook", True)
    assert alarms.pending_by_sink() == {"hook": 1}

    folder.unlink()
    wall_clock.time += 60.0
    assert sender.send_due()
    sender.close()
    assert statuses(journal) == [(1, "delivered")]
    assert alarms.failing_sinks() == ()
    assert alarms.pending_by_sink() == {"hook": 0}


def test_a_name_is_of_one_receiver(folder: Path) -> None:
    hook = {"url": "http://a", "secret": "whsec_" + "a" * 32}
    with pytest.raises(ValidationError, match="team is the name of a webhook and of a folder"):
        ServiceSettings.model_validate(
            {"webhooks": {"team": hook}, "json_lines": {"team": {"folder": str(folder)}}}
        )
