"""Some of the rows, where all would take too long: as many groups as can be, and the same rows for
the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random

from scanner.evaluate.rows import Row

__all__ = ["kind_of", "sampled"]


def sampled(rows: Sequence[Row], most: int | None, *, seed: int = 0) -> list[Row]:
    """At most so many rows of each task and label, groups taking turns, in their old order; all of
    them without ``most``."""
    if most is None:
        return list(rows)
    of_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        of_kind[kind_of(row)].append(row)
    kept = {
        row.key
        for kind in sorted(of_kind)
        for row in _in_turns(of_kind[kind], Random(f"{seed}/{kind}"), most)
    }
    return [row for row in rows if row.key in kept]


def kind_of(row: Row) -> tuple[str, str]:
    """Task and label; ordinary pictures are of one kind, whatever they show."""
    return (row.task, "" if row.task.startswith("benign") else row.label)


def _in_turns(rows: Sequence[Row], random: Random, most: int) -> list[Row]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    for members in groups.values():
        random.shuffle(members)
    turns = list(groups.values())
    random.shuffle(turns)
    return list(_dealt(turns))[:most]


def _dealt(groups: Sequence[Sequence[Row]]) -> Iterator[Row]:
    for turn in range(max(map(len, groups))):
        yield from (group[turn] for group in groups if turn < len(group))
