"""Verification of the audit log: every entry, its chain, and the signed statements about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scanner.store.audit import FIRST_PREVIOUS, entry_hash
from scanner.store.checkpoints import is_signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["AuditFault", "restores_of", "verify_entries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFault:
    """One thing that is wrong with an audit log."""

    kind: Literal["changed", "missing", "cut_off", "rewritten", "statement"]
    number: int
    """The entry that it is about."""
    message: str


def verify_entries(
    rows: Iterable[Mapping[str, Any]],
    statements: Sequence[Mapping[str, Any]],
    key: Ed25519PublicKey,
) -> tuple[int, list[AuditFault]]:
    """Return how many entries there are, and everything that is wrong; ``rows`` are those of
    ``AuditLog.all_rows``."""
    signed = [one for one in statements if is_signed(one, key)]
    removals = {one["number"]: one["hash"] for one in signed if one["kind"] == "removal"}
    faults = [_not_signed(one) for one in statements if one not in signed]
    hashes, chain_faults = _walk(rows, removals)
    faults += chain_faults
    if hashes and not signed:
        faults.append(
            AuditFault(kind="statement", number=0, message="there is no signed statement")
        )
    first, last = min(hashes, default=0), max(hashes, default=0)
    restores = [one for one in signed if one["kind"] == "restore"]
    for one in signed:
        if any(one["number"] > of["number"] and one["at"] <= of["at"] for of in restores):
            continue  # of entries that a restore lost
        if (fault := _compare(one, hashes, first, last)) is not None:
            faults.append(fault)
    return len(hashes), faults


def restores_of(
    statements: Sequence[Mapping[str, Any]], key: Ed25519PublicKey
) -> list[Mapping[str, Any]]:
    """Return the signed statements that the log was restored from a backup: entries between
    ``number`` and the time ``at`` are lost."""
    return [one for one in statements if one.get("kind") == "restore" and is_signed(one, key)]


def _walk(
    rows: Iterable[Mapping[str, Any]], removals: Mapping[int, str]
) -> tuple[dict[int, str], list[AuditFault]]:
    """Return the hash of each entry, and what is wrong with the chain."""
    hashes: dict[int, str] = {}
    faults: list[AuditFault] = []
    wanted, previous = 1, FIRST_PREVIOUS
    for row in rows:
        number = row["number"]
        if not hashes and number - 1 in removals:
            wanted, previous = number, removals[number - 1]
        if number != wanted:
            message = f"entries {wanted} to {number - 1} are missing"
            faults.append(AuditFault(kind="missing", number=wanted, message=message))
        elif row["previous"] != previous:
            message = f"entry {number} does not follow the one before it"
            faults.append(AuditFault(kind="changed", number=number, message=message))
        if _hash_of(row) != row["hash"]:
            message = f"entry {number} was changed"
            faults.append(AuditFault(kind="changed", number=number, message=message))
        hashes[number] = row["hash"]
        wanted, previous = number + 1, row["hash"]
    return hashes, faults


def _hash_of(row: Mapping[str, Any]) -> str:
    try:
        return entry_hash(row)
    except (TypeError, ValueError):  # a value of another type than the column's
        return ""


def _compare(
    statement: Mapping[str, Any], hashes: Mapping[int, str], first: int, last: int
) -> AuditFault | None:
    """Return what a signed statement shows to be wrong, or None."""
    number = statement["number"]
    if number > last:
        message = f"the log ends at entry {last}, but entry {number} was there: its end is cut off"
        return AuditFault(kind="cut_off", number=last + 1, message=message)
    if number >= first and hashes.get(number) != statement["hash"]:
        message = f"entry {number} is not the one that was signed: the log was rewritten"
        return AuditFault(kind="rewritten", number=number, message=message)
    return None


def _not_signed(statement: Mapping[str, Any]) -> AuditFault:
    number = statement.get("number")
    where = number if isinstance(number, int) else 0
    message = f"a statement about entry {where or '?'} has no valid signature"
    return AuditFault(kind="statement", number=where, message=message)
