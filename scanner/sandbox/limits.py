"""How much one disposable process may take before it is ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

__all__ = ["LONGEST_SECONDS", "SandboxLimits"]


LONGEST_SECONDS: Final = 1e8
"""Three years: more is as good as for ever, and the kernel's clocks refuse what is far beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a child may use; past it the child ends and the source is blamed."""

    memory_bytes: int = 1 << 30
    """Address space of the child (``RLIMIT_AS``), some 250 MiB of which are taken before any work:
    Python, FFmpeg, the shared buffer."""
    cpu_seconds: float = 20.0
    """Processor time of one window, opening included; the child's own timer ends it."""
    wall_seconds: float = 60.0
    """Longest wait for one window; the parent ends the child."""
    write_cpu_seconds: float = 120.0
    """Processor time of one written file, which may have to be encoded."""
    write_wall_seconds: float = 300.0
    """Longest wait for one written file."""
    start_seconds: float = 30.0
    """Longest wait for a fresh child to be ready."""
    max_tasks: int = 500
    """Tasks after which a child is replaced by a fresh one, so that no leak of a decoder lasts."""
    buffer_bytes: int = 64 << 20
    """All images of one window; shared memory that is only taken when it is filled."""
    output_bytes: int = 1 << 30
    """Longest file that a task may write."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not value > 0:
                raise ValueError(f"sandbox limit {limit.name} must be more than 0, got {value}")
            if limit.name.endswith("_seconds") and value > LONGEST_SECONDS:
                raise ValueError(
                    f"sandbox limit {limit.name} must be at most {LONGEST_SECONDS:g}, got {value}"
                )
