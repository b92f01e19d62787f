"""Copies of a data folder that can be made while the service runs, and put back.

    objects    those that are there are linked or copied, and so are files of scores
    journal    copied by SQLite, consistent at one moment
    objects    those that came meanwhile, as the copied journal names them; and files of scores that
               were written or replaced meanwhile
    facts      written last; the folder is renamed to its name after a flush

An object never changes, so it is the same in both passes. One that retention deletes between them
was in the first. A file of scores is replaced as a whole, without a stream that was removed. A
backup that is interrupted leaves ``NAME.partial``, which the next continues.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from scanner.errors import SetupError
from scanner.private import write_file
from scanner.store.database import FILE_NAME, LOCK_NAME, Journal, lock_folder, open_journal
from scanner.store.migrate import HEAD
from scanner.store.objects import INCOMING
from scanner.store.retention import RetentionJournal
from scanner.store.schema import BACKED_UP, journal_facts
from scanner.store.score_parts import SCORES, ScoreParts
from scanner.store.writes import upsert

__all__ = ["BackupFacts", "back_up", "restore"]

FACTS: Final = "backup.json"
OBJECTS: Final = "objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFacts:
    """What a backup holds."""

    created_at: float
    """Wall-clock time of the journal's copy, in seconds since the epoch."""
    journal_version: str
    journal_sha256: str
    objects: int
    bytes: int
    """Bytes of all objects."""
    score_files: int = 0
    score_bytes: int = 0
    """Bytes of all files of scores."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the facts of a backup.

        Raises:
            SetupError: the folder is no complete backup.
        """
        try:
            return cls(**json.loads((folder / FACTS).read_text("utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise SetupError(f"{folder}: is no complete backup, {FACTS} cannot be read") from error


def back_up(data: Path, target: Path) -> BackupFacts:
    """Copy the journal and all objects of a data folder to the new folder ``target``.

    The service may run meanwhile. Objects are linked where ``target`` is on the same file system,
    so that a backup there takes hardly any space.

    Raises:
        SetupError: ``target`` exists, or ``data`` has no journal of this release.
        OSError: the disk is full or failed.
    """
    if target.exists():
        raise SetupError(f"{target}: exists; name a new folder for the backup")
    partial = target.with_name(f"{target.name}.partial")
    partial.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(open_journal(data)) as journal, lock_folder(partial):
        facts = _copy_data(journal, data, partial)
        write_file(partial / FACTS, f"{json.dumps(asdict(facts))}\n".encode())
        _flush(partial)
        (partial / LOCK_NAME).unlink()
        partial.rename(target)
        _flush(target.parent)
        with journal.write() as connection:
            row = {"name": BACKED_UP, "value": repr(facts.created_at)}
            upsert(connection, journal_facts, row)
    return facts


def _copy_data(journal: Journal, data: Path, target: Path) -> BackupFacts:
    _copy_all(data / OBJECTS, target / OBJECTS, _stored(data / OBJECTS))
    _copy_scores(data / SCORES, target / SCORES, _stored(data / SCORES))
    created_at = journal.now()
    _copy_journal(journal, target / FILE_NAME)
    names, files = _named_objects(target), _named_files(target)
    _copy_all(data / OBJECTS, target / OBJECTS, names)
    _remove_others(target / OBJECTS, names)
    _copy_scores(data / SCORES, target / SCORES, files)
    _remove_others(target / SCORES, files)
    _copy_other_files(data, target)
    return BackupFacts(
        created_at=created_at,
        journal_version=HEAD,
        journal_sha256=_digest(target / FILE_NAME),
        objects=len(names),
        bytes=_check_files(target / OBJECTS, names),
        score_files=len(files),
        score_bytes=_check_files(target / SCORES, files),
    )


def restore(backup: Path, data: Path) -> BackupFacts:
    """Make the new data folder ``data`` from a backup, after a check of all that it holds.

    Raises:
        SetupError: ``data`` exists, or the backup is incomplete, damaged or of another release.
        OSError: the disk is full or failed.
    """
    facts = BackupFacts.read(backup)
    if data.exists() and any(data.iterdir()):
        raise SetupError(f"{data}: is not empty; name a new folder, or move this one away")
    if _digest(backup / FILE_NAME) != facts.journal_sha256:
        raise SetupError(f"{backup / FILE_NAME}: was changed after the backup")
    partial = data.with_name(f"{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    _copy(backup / FILE_NAME, partial / FILE_NAME, link=False)
    _copy_other_files(backup, partial)
    names = _named_objects(partial)
    _copy_all(backup / OBJECTS, partial / OBJECTS, names)
    files = _named_files(partial)
    _copy_scores(backup / SCORES, partial / SCORES, files)
    for folder, found, expected in (
        (OBJECTS, names, facts.bytes),
        (SCORES, files, facts.score_bytes),
    ):
        if _check_files(partial / folder, found) != expected:
            raise SetupError(f"{backup / folder}: was changed after the backup")
    _flush(partial)
    with suppress(FileNotFoundError):
        data.rmdir()
    partial.rename(data)
    _flush(data.parent)
    return facts


def _copy_journal(journal: Journal, target: Path) -> None:
    """Copy the database in one read transaction, and check the copy."""
    from pysqlite3 import dbapi2

    target.unlink(missing_ok=True)
    with (
        closing(journal.engine.raw_connection()) as source,
        closing(dbapi2.connect(target)) as copy,
    ):
        target.chmod(0o600)
        source.driver_connection.backup(copy)  # type: ignore[union-attr]
        copy.execute("PRAGMA journal_mode=DELETE")
        (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise SetupError(f"{target}: the copied journal is damaged: {found}")


def _named_objects(folder: Path) -> set[str]:
    with closing(open_journal(folder)) as journal:
        return RetentionJournal(journal).known_objects()


def _named_files(folder: Path) -> set[str]:
    with closing(open_journal(folder)) as journal:
        return ScoreParts(journal).files()


def _stored(objects: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(objects):
        if Path(folder) == objects and INCOMING in folders:
            folders.remove(INCOMING)
        for file in files:
            yield (Path(folder) / file).relative_to(objects).as_posix()


def _copy_all(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy the objects that are at ``source`` and not at ``target`` yet."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        if not (target / name).exists():
            (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # deleted meanwhile, or never durable
                _copy(source / name, target / name, link=True)


def _copy_scores(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy files of scores that are not at ``target``, or are older there."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        with suppress(FileNotFoundError):  # deleted meanwhile, or not there yet
            if _is_as_new(source / name, target / name):
                continue
            (target / name).unlink(missing_ok=True)
            (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(source / name, target / name, link=True)


def _is_as_new(source: Path, target: Path) -> bool:
    """Return whether ``target`` is the same file, or a copy made after the latest change.

    Raises:
        FileNotFoundError: there is no ``source``.
    """
    found = source.stat()
    try:
        copied = target.stat()
    except FileNotFoundError:
        return False
    is_same = (copied.st_dev, copied.st_ino) == (found.st_dev, found.st_ino)
    return is_same or (copied.st_size == found.st_size and copied.st_mtime >= found.st_mtime)


def _copy_other_files(source: Path, target: Path) -> None:
    """Copy what else a data folder has, such as signing keys."""
    for path in source.iterdir():
        is_known = path.name.startswith(FILE_NAME) or path.name in (LOCK_NAME, FACTS)
        if path.is_file() and not is_known:
            _copy(path, target / path.name, link=False)


def _copy(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file so that ``target`` is whole or absent whenever the process ends."""
    if link:
        try:
            target.hardlink_to(source)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            pass
        else:
            return
    unfinished = target.with_name(f"{target.name}.copy")
    shutil.copyfile(source, unfinished)
    unfinished.chmod(0o600)
    unfinished.rename(target)


def _remove_others(objects: Path, names: set[str]) -> None:
    """Remove what the journal does not name: objects deleted meanwhile, and unfinished copies."""
    for name in [*_stored(objects)]:
        if name not in names:
            (objects / name).unlink()


def _check_files(folder: Path, names: set[str]) -> int:
    """Return the bytes of all files of a folder that a journal names.

    Raises:
        SetupError: one is missing.
    """
    total = 0
    for name in sorted(names):
        try:
            total += (folder / name).stat().st_size
        except FileNotFoundError as error:
            raise SetupError(f"{folder}: {name} is missing") from error
    return total


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise SetupError(f"{path}: is missing") from error


def _flush(folder: Path) -> None:
    """Flush all files of a folder and the folders themselves."""
    for place, _, files in os.walk(folder):
        for name in (*files, "."):
            descriptor = os.open(Path(place) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
