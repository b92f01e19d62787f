"""What ``streamwarden eval`` has scored: followed, kept, changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from scanner.errors import SetupError
from scanner.evaluate.robustness import perturbed_versions
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Judged, Unread
from scanner.evaluate.work import Score
from scanner.lines import Line, dumps
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import Perturbation

__all__ = ["both", "changed", "followed", "read", "saved", "tell_unread"]

T = TypeVar("T")
Listener = Callable[[Line], None]


def followed(items: Iterable[T], total: int, what: str) -> list[T]:
    """All of them, with a progress bar for people."""
    return list(track(items, total=total, console=Console(stderr=True), description=what))


def changed(
    score: Score,
    some: Sequence[Row],
    rows: Sequence[Row],
    changes: Sequence[Perturbation],
    *,
    seed: int,
) -> list[Judged | Unread]:
    """Some of the rows, unchanged and after each of the changes."""
    with Perturber(score.settings.sandbox, score.settings.limits) as perturber:
        return followed(
            score.rows(some, perturbed_versions(perturber, changes, rows, seed=seed)),
            len(some) * (len(changes) + 1),
            "changing",
        )


def read(said: Sequence[Judged | Unread]) -> list[Judged]:
    """Those that could be read."""
    return [one for one in said if isinstance(one, Judged)]


def tell_unread(said: Sequence[Judged | Unread]) -> None:
    """Why the others could not."""
    for one in said:
        if isinstance(one, Unread):
            Console(stderr=True).print(f"not counted: {one.reason}", markup=False, highlight=False)


def both(one: Listener | None, other: Listener | None) -> Listener:
    """Tells both, those that there are."""

    def tell(line: Line) -> None:
        for listener in (one, other):
            if listener is not None:
                listener(line)

    return tell


@contextmanager
def saved(path: Path | None) -> Iterator[Listener | None]:
    """Writes lines into the file, one after another.

    Raises:
        SetupError: it cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="ascii") as file:
            yield lambda line: print(dumps(line), file=file)
    except OSError as why:
        raise SetupError(f"{path}: cannot be written ({why.strerror})") from why
