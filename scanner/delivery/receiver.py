"""Receivers of messages: what an attempt to deliver gives, whatever the receiver is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = ["Answer", "MessageReceiver", "Result"]

Result = Literal["delivered", "failed", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of one attempt."""

    result: Result
    seconds: float
    """Duration of the attempt."""
    status: int | None = None
    """HTTP status; None without an answer, and of a receiver that is no webhook."""
    error: str | None = None
    retry_after: float | None = None
    """Seconds for which the receiver asks to be left alone."""
    place: Mapping[str, Any] | None = None
    """Where the message is, of a receiver that stores it: file and offset."""

    @property
    def receipt(self) -> Mapping[str, Any]:
        """What shows that the message was delivered."""
        return {"status": self.status} if self.place is None else self.place


class MessageReceiver(Protocol):
    """Takes messages; belongs to one event loop."""

    async def post_all(
        self, messages: Sequence[tuple[str, str]], *, now: Callable[[], float]
    ) -> list[Answer]:
        """Send messages, given as id and JSON; never raises for what the receiver does."""

    async def close(self) -> None:
        """Give back what the receiver holds."""
