"""Objects are in place and flushed once they are put."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from scanner.store import objects as module
from scanner.store.objects import ObjectStore


def receive(objects: ObjectStore, data: bytes) -> module.IncomingObject:
    incoming = objects.receive()
    incoming.write(data)
    return incoming


def test_objects_that_were_put_have_their_bytes_and_digest(objects: ObjectStore) -> None:
    incoming = receive(objects, b"abc")
    assert incoming.sha256 == sha256(b"abc").hexdigest()
    objects.put_many([(incoming, "segments/00/x")])
    assert objects.path("segments/00/x").read_bytes() == b"abc"
    assert not incoming.path.exists()


def test_without_syncfs_every_file_and_folder_is_flushed(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(module, "_SYNCFS", None)
    monkeypatch.setattr(module, "_fsync", flushed.append)
    objects.put_many([(receive(objects, b"a"), "segments/00/x")])
    root = objects.path("")
    assert flushed == [root / "segments/00/x", root / "segments/00", root / "segments", root]


def test_all_flushes_use_one_descriptor_so_that_no_error_is_missed(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def flush(descriptor: int) -> int:
        flushed.append(descriptor)
        return 0

    monkeypatch.setattr(module, "_SYNCFS", flush)
    for number in range(2):
        objects.put_many([(receive(objects, b"a"), f"segments/00/{number}")])
    assert len(flushed) == 2
    assert len(set(flushed)) == 1


def test_bytes_that_are_not_put_leave_no_file(objects: ObjectStore) -> None:
    with receive(objects, b"a") as incoming:
        path = incoming.path
    assert not path.exists()


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "segments/../../x"])
def test_a_name_cannot_leave_the_directory(objects: ObjectStore, name: str) -> None:
    with pytest.raises(ValueError, match="stay within"):
        objects.path(name)


def test_a_deleted_object_is_gone_and_may_be_deleted_again(objects: ObjectStore) -> None:
    objects.put_many([(receive(objects, b"a"), "segments/00/x")])
    objects.delete("segments/00/x")
    objects.delete("segments/00/x")
    assert not objects.path("segments/00/x").exists()


def test_old_files_are_listed_for_the_sweeper(objects: ObjectStore) -> None:
    objects.put_many([(receive(objects, b"a"), "segments/00/x")])
    receive(objects, b"b").close()
    names = sorted(name.split("/")[0] for name in objects.list_older(than=4e9))
    assert names == ["incoming", "segments"]
    assert list(objects.list_older(than=0.0)) == []
