"""Limits of one child process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

__all__ = ["LONGEST_SECONDS", "SandboxLimits"]


LONGEST_SECONDS: Final = 1e8
"""Three years, in effect no limit; the kernel's clocks refuse much longer times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """The resources that a child may use; if it exceeds a limit, it ends and the source is
    blamed."""

    memory_bytes: int = 544 << 20
    """Address space of the child (``RLIMIT_AS``) for pictures of up to 4096x2304 pixels. Python,
    FFmpeg and the shared buffer use some 270 MiB of it before any work."""
    large_memory_bytes: int = 1 << 30
    """Address space for larger pictures; without effect if ``memory_bytes`` is more."""
    idle_bytes: int = 320 << 20
    """Memory of all children that are kept ready, together: beyond it they give back what they do
    not need, and then the one that was not used for longest is ended."""
    cpu_seconds: float = 20.0
    """Processor time for one window, opening included; the child's own timer kills it."""
    wall_seconds: float = 60.0
    """Longest wait for one window; then the parent kills the child."""
    write_cpu_seconds: float = 120.0
    """Processor time for one written file, which may have to be encoded."""
    write_wall_seconds: float = 300.0
    """Longest wait for one written file."""
    source_seconds: float = 3600.0
    """Longest wait for one source in all, however many windows it has and however often it is
    tried; also the processor time of one child in its life (``RLIMIT_CPU``)."""
    start_seconds: float = 30.0
    """Longest wait for a fresh child to be ready."""
    max_tasks: int = 500
    """Number of tasks after which a child is replaced, so that leaks of decoders do not add up."""
    max_children: int = 64
    """Number of children that are kept ready, each for its own stream; the one that was not used
    for longest goes first."""
    idle_seconds: float = 30.0
    """Time without a task after which a child is ended."""
    buffer_bytes: int = 64 << 20
    """Shared memory for all images of one window; pages are allocated when they are written."""
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
