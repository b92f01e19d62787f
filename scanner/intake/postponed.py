"""Objects of encoders that the journal, which was locked, has not recorded yet.

An encoder never sends again what was refused. So the bytes stay, and their rows are written in
their order once the journal is free. Nothing of this was acknowledged: it ends with the process.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from scanner.store.pushed import PushedObject
from scanner.store.submissions import Submission

__all__ = ["PostponedObjects"]

MOST_KEPT: Final = 4096
KEPT_SECONDS: Final = 300.0


class PostponedObjects:
    """The oldest first; at most ``MOST_KEPT``, each for at most ``KEPT_SECONDS``."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: deque[tuple[Submission, float]] = deque()

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, submission: Submission) -> bool:
        """Keep a submission; return False if it is not of an encoder, or too many are kept."""
        if not isinstance(submission.row, PushedObject) or len(self._kept) >= MOST_KEPT:
            return False
        self._kept.append((submission, self._now()))
        return True

    def oldest(self, count: int) -> Sequence[Submission]:
        """Return the oldest submissions."""
        return [submission for submission, _ in list(self._kept)[:count]]

    def drop(self, count: int) -> None:
        """Keep the oldest submissions no longer."""
        for _ in range(count):
            self._kept.popleft()

    def take_expired(self) -> Sequence[Submission]:
        """Return the submissions that were kept for too long, and keep them no longer."""
        expired: list[Submission] = []
        while self._kept and self._now() - self._kept[0][1] > KEPT_SECONDS:
            expired.append(self._kept.popleft()[0])
        return expired
