"""What a parent says to its child.

These are pickled: the child trusts its parent, and only in this direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scanner.sandbox.limits import SandboxLimits
from scanner.types import FrameSpec

__all__ = ["BURSTS", "TAKEN", "Call", "Start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first message; the descriptor of the shared buffer comes with it."""

    parent: int
    """Its process id."""
    limits: SandboxLimits
    tasks: Mapping[str, str]
    """Name -> ``module:function``."""
    warm_up: str | None
    """``module:function`` without arguments, called while files can still be opened: libraries load
    all that they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One task; the descriptors of its sources come with it, and after them that of its output if
    it ``writes``."""

    task: str
    name: str
    """What messages call the source."""
    arguments: Any
    specs: tuple[FrameSpec, ...] = ()
    """The images of each sample of a stream, in this order."""
    writes: bool = False
    ahead: bool = True
    """Work on the next window while the parent looks at one; else wait, so that a death tells which
    window it is of."""

    @property
    def bursts(self) -> bool:
        """Whether the parent may ask for the bursts of a window after it has looked at it."""
        return any(spec.burst is not None for spec in self.specs)


TAKEN = b"taken"
"""What a parent says when the child may use the shared memory again: at once, or when it has all
that it wants of a window."""
BURSTS = b"bursts"
"""And when it wants the bursts of the window that it was given last."""
