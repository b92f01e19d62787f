"""Which processes run, and when one that ended starts again: pure, time comes in.

    starting --started--> running --ended--> waiting --delay over--> starting
                             |                  ^
                             `--silent: kill----'

The delay doubles with each end that follows soon after a start, up to a limit, and begins anew
after a process ran for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["ProcessPlan", "after_end", "after_start", "is_due"]

FIRST_DELAY: Final = 0.2
"""Seconds from the first end of a process to its next start."""
LONGEST_DELAY: Final = 5.0
"""Seconds: connections wait for web meanwhile, and senders give up after some 20."""
STEADY_SECONDS: Final = 10.0
"""A process that ran for this long is well: its next end is a first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """When one process may start; times are monotonic seconds."""

    name: str
    failures: int = 0
    """Ends in a row that each followed soon after a start."""
    started_at: float | None = None
    """None while it does not run."""
    next_start: float = 0.0


def after_start(plan: ProcessPlan, now: float) -> ProcessPlan:
    """Return the plan of a process that has just started."""
    return replace(plan, started_at=now)


def after_end(plan: ProcessPlan, now: float) -> ProcessPlan:
    """Return the plan of a process that has just ended, with the time of its next start.

    >>> plan = after_end(after_start(ProcessPlan(name="web"), 10.0), 11.0)
    >>> plan.next_start
    11.2
    """
    ran = 0.0 if plan.started_at is None else now - plan.started_at
    failures = 1 if ran >= STEADY_SECONDS else plan.failures + 1
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1))
    return replace(plan, failures=failures, started_at=None, next_start=now + delay)


def is_due(plan: ProcessPlan, now: float) -> bool:
    """Return whether a process that does not run may start."""
    return plan.started_at is None and now >= plan.next_start
