"""Random changes of an audit log and of the statements about it, as an attacker would make them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

Rows = list[dict[str, Any]]
Change = Callable[[random.Random, Rows], None]
HASHED = ("number", "at", "actor", "action", "subject", "details", "previous", "hash")


def change_value(chance: random.Random, rows: Rows) -> None:
    row, name = chance.choice(rows), chance.choice(HASHED)
    value = row[name]
    if isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        row[name] = value[:at] + chance.choice("abcdef019 ") + value[at:]
        return
    row[name] = value + chance.choice([-1, 1, 7])


def remove(chance: random.Random, rows: Rows) -> None:
    del rows[chance.randrange(len(rows))]


def swap(chance: random.Random, rows: Rows) -> None:
    one, other = chance.sample(range(len(rows)), 2)
    for name in HASHED[1:]:
        rows[one][name], rows[other][name] = rows[other][name], rows[one][name]


def insert(chance: random.Random, rows: Rows) -> None:
    at = chance.randrange(len(rows))
    rows.insert(at, copy.copy(rows[at]))


def cut_off(chance: random.Random, rows: Rows) -> None:
    del rows[chance.randrange(len(rows)) :]


def cut_begin(chance: random.Random, rows: Rows) -> None:
    del rows[: chance.randrange(1, len(rows))]


CHANGES: Sequence[Change] = (change_value, remove, swap, insert, cut_off, cut_begin)
