"""Messages between a parent, its zygote and their children.

    parent                                  zygote
    StartMessage                      -->   imports, warms up
                                      <--   {"threads"}            or {"failed"}, then it exits
    FORK + connection, buffer         -->   forks a child
                                      <--   {"pid"}                or {"failed"}
    SERVE + connection, buffer        -->   becomes the child itself
    EndMessage                        -->   kills and reaps a child
                                      <--   {"status", "killed"}

    parent                                  child
                                      <--   {"active", "missing"}  it has given up its rights

    TaskCall + source descriptors     -->   works on the task
                                      <--   {"window"}             images are in the shared buffer
    SEND_BURSTS + BurstRequest        -->   any number of times
                                      <--   {"burst"} ...          images are in the shared buffer
                                      <--   {"bursts_end"}         frames that were decoded
                                      <--   {"large"}              once, before it takes much memory
    GRANT                             -->   once others have made room
    TRIM                              -->   between tasks: gives memory back; no answer
    RELEASE                           -->   may write to the buffer again: next window
                                      <--   {"end"}                after the last window's RELEASE
                                      <--   {"value"}              instead, for a task that writes
                                      <--   {"error"}              at any point; ends the task

Every answer to a task also has {"call"}, the number of its call: one that is left over from an
earlier call is not taken for the answer to a later one.

The parent's messages are pickled: the child trusts its parent, and only in this direction. The
child may be controlled by its input, so it answers in plain JSON of whole numbers, every answer is
checked against what was asked (``answers``), and images are located by their order (``buffers``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.restrictions import Restrictions
from scanner.types import FrameSpec

__all__ = [
    "FORK",
    "GRANT",
    "RELEASE",
    "SEND_BURSTS",
    "SERVE",
    "TRIM",
    "EndMessage",
    "ProtocolViolationError",
    "StartMessage",
    "TaskCall",
    "dump_message",
    "parse_message",
    "restrictions_from_json",
]

FORK = b"fork"
"""The parent requests a new child; the descriptors of its end of the connection and of the shared
buffer come with it."""
SERVE = b"serve"
"""As ``FORK``, but the zygote itself is to become the child."""
GRANT = b"grant"
"""The child may take the memory that large pictures need."""
TRIM = b"trim"
"""The parent asks a child that waits for a task to give back the memory that it does not need."""
RELEASE = b"release"
"""The parent has copied the window and requests no more bursts of it: the child may overwrite the
shared buffer."""
SEND_BURSTS = b"send_bursts "
"""The parent requests bursts of the last window; a pickled ``BurstRequest`` follows."""


class ProtocolViolationError(Exception):
    """The child sent what no correct child sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMessage:
    """The first message to a zygote."""

    parent: int
    """Process id of the parent."""
    limits: SandboxLimits
    tasks: Mapping[str, str]
    """Task name -> ``module:function``."""
    warm_up: str | None
    """``module:function`` without arguments, called while files can still be opened, so that
    libraries load all that they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMessage:
    """Asks a zygote to end one of its children."""

    pid: int
    patience: float
    """Seconds in which the child may end by itself; then it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCall:
    """One task; the descriptors of its sources come with it, and after them that of its output if
    it ``writes``."""

    task: str
    name: str
    """Name of the source in messages."""
    number: int = 0
    """Number of the call among those of its child."""
    arguments: Any
    specs: tuple[FrameSpec, ...] = ()
    """Images of each sample of a stream, in this order."""
    writes: bool = False
    ahead: bool = True
    """Decode the next window while the parent processes one. Without it the child waits, so that
    its death is certain to belong to the window that was requested."""

    @property
    def wants_bursts(self) -> bool:
        """Whether the parent may request the bursts of a window after it has seen the window."""
        return any(spec.burst is not None for spec in self.specs)


def restrictions_from_json(message: Any) -> Restrictions:
    """Return the restrictions that a child applied.

    It has read nothing hostile yet and is trusted.
    """
    return Restrictions(active=tuple(message["active"]), missing=message["missing"])


def dump_message(message: object) -> bytes:
    """Encode one message of the child."""
    return json.dumps(message, allow_nan=False).encode()


def parse_message(body: bytes) -> dict[str, Any]:
    """Decode one message of the child.

    Raises:
        ProtocolViolationError: it is not a JSON object, or has a number that is not whole.
    """
    try:
        message = json.loads(body, parse_constant=_refuse_number, parse_float=_refuse_number)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolationError(f"a message that is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolViolationError("a message that is not a JSON object")
    return message


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not a whole number")
