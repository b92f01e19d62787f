"""A process that compacts a data folder, to be killed."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from scanner.archive import compaction, files
from scanner.archive.compaction import ScoreArchive
from scanner.store.database import open_journal
from scanner.store.score_parts import SCORES, ScoreParts


def compact(data: Path, now: float, ready: Connection) -> None:
    """Tell that it begins, and compact in small files until there is nothing to do."""
    setattr(files, "GROUP_ROWS", 100)  # noqa: B010 - a constant
    setattr(compaction, "MOST_TURNS", 8)  # noqa: B010
    journal = open_journal(data, clock=lambda: now)
    archive = ScoreArchive(ScoreParts(journal), data / SCORES, score_days=180.0)
    ready.send(None)
    while archive.step():
        pass
