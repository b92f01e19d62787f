"""The context that the program passes to its commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scanner.cli.interruption import Interruption

if TYPE_CHECKING:
    from scanner.bench.fleet import FleetPlan
    from scanner.bench.shape import ServiceShape
    from scanner.compose import RunnerFactory

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every command receives."""

    interruption: Interruption
    """Reports signals, and defers them."""
    runner_factory: RunnerFactory | None = None
    """Opens a runner for ``--workers``; None where the package ``workers`` is missing."""
    simulator: Callable[[ServiceShape, FleetPlan], dict[str, Any]] | None = None
    """Simulates a planned cell for ``plan --simulate``; None where the package is missing."""
