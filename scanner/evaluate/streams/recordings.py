"""What the models said of each file of a manifest, with its times, from the lines of a scan.

Law 13 makes a score local to its segment: footage is scored once, file by file, and streams are put
together from the scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Unread
from scanner.lines import FrameLine, Line, SummaryLine, exact
from scanner.replay import sampled_of
from scanner.risk.observation import Sampled

__all__ = ["Recording", "recordings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file, and all looks at it."""

    row: Row
    looks: tuple[Sampled, ...]
    """In order of time, from the file's first frame."""
    length: Fraction
    """Seconds; 0 for a still picture, which has one look."""

    @property
    def still(self) -> bool:
        """A picture that does not move has no duration."""
        return self.length == 0


def recordings(rows: Sequence[Row], lines: Iterable[Line]) -> Iterator[Recording | Unread]:
    """The rows, each once, as a scan saw them that called them as the manifest does."""
    looks: dict[str, list[Sampled]] = defaultdict(list)
    lengths: dict[str, Fraction] = {}
    for line in lines:
        match line:
            case FrameLine(path=path):
                looks[path].append(sampled_of(line))
            case SummaryLine(path=path, duration=duration):
                lengths[path] = exact(duration)
    for row in {row.key: row for row in rows}.values():
        if not looks[row.key] or row.key not in lengths:
            yield Unread(row=row, reason=f"{row.path}: the scores have no look at it")
            continue
        ordered = sorted(looks[row.key], key=lambda look: look.at)
        yield Recording(row=row, looks=tuple(ordered), length=lengths[row.key])
