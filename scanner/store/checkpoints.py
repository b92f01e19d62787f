"""Signed statements of where the audit log ends, at a second place.

    signing-key.pem     Ed25519, made at first use; for its owner alone
    public-key.pem      to keep elsewhere, for `streamwarden audit verify --public-key`
    head.json           the latest statement, replaced with every commit of the log
    checkpoints.jsonl   one of each hundred entries or minute, each removal by age, each restore;
                        only appended to

A chain of hashes cannot show that its end was cut off, or that all of it was computed anew. These
statements can, unless the same hand changes both places and has the key.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import structlog

from scanner.errors import SetupError
from scanner.private import private_opener, write_file
from scanner.store.audit import AuditHead, AuditLog, canonical
from scanner.store.database import Journal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = [
    "Checkpoints",
    "audit_folder",
    "is_signed",
    "open_audit_log",
    "read_public_key",
    "read_statements",
]

EVERY_ENTRIES: Final = 100
EVERY_SECONDS: Final = 60.0
_LOG: Final = structlog.get_logger(__name__)


def audit_folder(data: Path, chosen: Path | None) -> Path:
    """Return the second place of a service: the chosen one, or one beside its data folder."""
    return chosen or data.with_name(f"{data.absolute().name}-audit")


def open_audit_log(journal: Journal, data: Path, chosen: Path | None) -> AuditLog:
    """Return the audit log of a service, whose end is kept at its second place."""
    return AuditLog(journal, Checkpoints(audit_folder(data, chosen)))


class Checkpoints:
    """Keeps the end of the audit log in a folder; safe to use from threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._key: Ed25519PrivateKey | None = None
        self._failing = False
        self._appended: tuple[int, float] = (0, 0.0)
        """Number and time of the latest line of ``checkpoints.jsonl``, as far as is known here."""

    def keep(self, head: AuditHead) -> bool:
        """State the end of the log; return whether that, or a later one, is stated. The first of
        failures in a row is logged: the log itself is durable already."""
        try:
            with self._lock, self._locked():
                known = _read_json(self.folder / "head.json")
                if known is None or known["number"] < head.number:
                    self._replace_head(self._sign(head, "checkpoint"))
                number, at = self._appended
                if head.number - number >= EVERY_ENTRIES or head.at - at >= EVERY_SECONDS:
                    self._append(self._sign(head, "checkpoint"))
                    self._appended = (head.number, head.at)
        except (OSError, ValueError, SetupError) as error:
            if not self._failing:
                facts = {"folder": str(self.folder), "error": str(error)}
                _LOG.error("the audit log has no checkpoint", **facts)
            self._failing = True
            return False
        if self._failing:
            _LOG.info("the audit log has checkpoints again", folder=str(self.folder))
        self._failing = False
        return True

    def record_removal(self, last: AuditHead) -> None:
        """State that the entries up to ``last`` are removed because of their age; durable when this
        returns.

        Raises:
            OSError, SetupError: it cannot be written; nothing may be removed.
        """
        with self._lock, self._locked():
            self._append(self._sign(last, "removal"))

    def record_restore(self, head: AuditHead) -> None:
        """State that the log was restored from a backup and ends here: what was stated of later
        entries before this moment is void, and those entries are lost.

        Raises:
            OSError, SetupError: it cannot be written.
        """
        with self._lock, self._locked():
            self._append(self._sign(head, "restore"))
            self._replace_head(self._sign(head, "checkpoint"))

    def public_key(self) -> Ed25519PublicKey:
        """Return the key that statements are verified with.

        Raises:
            SetupError: there is none, or it cannot be read.
        """
        return read_public_key(self.folder / "public-key.pem")

    def statements(self) -> list[Mapping[str, Any]]:
        """Return all statements in the order of their files; those that are not JSON are empty.

        Raises:
            SetupError: a file cannot be read.
        """
        found = read_statements(self.folder / "checkpoints.jsonl")
        return [*found, *read_statements(self.folder / "head.json")]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.folder / "lock", "w", opener=private_opener) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sign(self, head: AuditHead, kind: str) -> dict[str, Any]:
        facts = {"kind": kind, "number": head.number, "hash": head.hash, "at": head.at}
        signature = self._private_key().sign(canonical(facts).encode())
        return {**facts, "signature": base64.b64encode(signature).decode()}

    def _replace_head(self, statement: Mapping[str, Any]) -> None:
        new = self.folder / "head.json.new"
        write_file(new, (canonical(statement) + "\n").encode())
        new.replace(self.folder / "head.json")

    def _append(self, statement: Mapping[str, Any]) -> None:
        with open(self.folder / "checkpoints.jsonl", "a+b", opener=private_opener) as file:
            _cut_torn_line(file)
            file.write(canonical(statement).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _private_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            path = self.folder / "signing-key.pem"
            self._key = _read_private_key(path) if path.exists() else self._make_key(path)
        return self._key

    def _make_key(self, path: Path) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_file(self.folder / "public-key.pem", public)
        new = path.with_suffix(".new")
        with open(new, "wb", opener=private_opener) as file:
            file.write(private)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)  # a key that was written in part would be none for good
        return key


def _cut_torn_line(file: BinaryIO) -> None:
    """Remove what a write that failed, of a full disk for example, left of the last line: the next
    line would continue it, and both be lost."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() not in (b"", b"\n"):
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def is_signed(statement: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Return whether a statement is one that the key signed."""
    from cryptography.exceptions import InvalidSignature

    facts = {name: value for name, value in statement.items() if name != "signature"}
    try:
        signature = base64.b64decode(str(statement.get("signature", "")), validate=True)
        key.verify(signature, canonical(facts).encode())
    except (InvalidSignature, ValueError, TypeError):
        return False
    return facts.keys() == {"kind", "number", "hash", "at"}


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a file in PEM.

    Raises:
        SetupError: it cannot be read, or is not one of Ed25519.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except FileNotFoundError as error:
        raise SetupError(
            f"{path}: no such file; nothing was recorded yet, or the second place is elsewhere:"
            " name it with --folder"
        ) from error
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SetupError(f"{path}: not a key of Ed25519")
    return key


def read_statements(path: Path) -> list[Mapping[str, Any]]:
    """Return the statements of a file, one a line; a line that is none is an empty statement.

    Raises:
        SetupError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    return [_parsed(line) for line in lines]


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("number"), int) else None


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise SetupError(f"{path}: no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SetupError(f"{path}: not a key of Ed25519")
    return key
