"""One process of the service, as the supervisor starts it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServiceProcess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProcess:
    """One process of the service."""

    name: str
    module: str
    """The module that runs as its program."""
    arguments: tuple[str, ...] = ()
    is_watched: bool = True
    """Whether it shows that it is well, and is ended if it does not."""
