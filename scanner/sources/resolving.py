"""Addresses of a host by its name, within a time.

``getaddrinfo`` cannot be interrupted: a thread of its own does it, and is left behind if it takes
too long. Their number is bounded, so that a name server that hangs costs no more than that.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from scanner.sources.addresses import is_public_address
from scanner.sources.cancellation import Cancellation, SourceCancelledError

__all__ = ["HostAddress", "Hosts", "ResolveHost", "resolve_host", "resolve_within"]

MAX_LOOKUPS: Final = 64
"""Lookups at the same time, in the whole process."""

HostAddress = tuple[int, Any]
"""Address family, and an address as ``socket.connect`` takes it."""
ResolveHost = Callable[[str, int], Sequence[HostAddress]]
"""Returns the addresses of a host and port, and raises ``OSError`` if there are none."""


_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


def resolve_host(host: str, port: int) -> Sequence[HostAddress]:
    """Return a host's addresses as this machine resolves them.

    Raises:
        OSError: the host is not known, or no host can have this name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host[:100]!r} is no name of a host: {error}") from error
    return [(family, address) for family, _, _, _, address in found]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Resolves names of hosts to addresses, and tells which of these are public."""

    resolve: ResolveHost = resolve_host
    is_public: Callable[[str], bool] = is_public_address


def resolve_within(
    host: str,
    port: int,
    seconds: float | None,
    *,
    cancellation: Cancellation,
    resolve: ResolveHost,
) -> Sequence[HostAddress]:
    """Return a host's addresses.

    Raises:
        TimeoutError: there is no answer after ``seconds``.
        OSError: the host is not known, or too many lookups hang.
        SourceCancelledError: reading was cancelled.
    """
    if _is_address(host):
        return resolve_host(host, port)
    if not _lookups.acquire(blocking=False):
        raise OSError(f"{MAX_LOOKUPS} lookups of host names are in progress")
    answers = queue.SimpleQueue[Sequence[HostAddress] | Exception]()
    threading.Thread(
        target=_look_up,
        args=(resolve, host, port, answers),
        name="streamwarden-lookup",
        daemon=True,
    ).start()
    interrupt = _Interrupt(answers)
    cancellation.add_callback(interrupt)
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"{host}: its address is not known after {seconds:g} s") from None
    finally:
        cancellation.remove_callback(interrupt)
    if isinstance(answer, Exception):
        raise answer
    return answer


def _look_up(
    resolve: ResolveHost,
    host: str,
    port: int,
    answers: queue.SimpleQueue[Sequence[HostAddress] | Exception],
) -> None:
    try:
        answers.put(resolve(host, port))
    except Exception as error:  # noqa: BLE001 - raised in the thread that asked
        answers.put(error)
    finally:
        _lookups.release()


class _Interrupt:
    """Answers a lookup in place of the name server."""

    def __init__(self, answers: queue.SimpleQueue[Sequence[HostAddress] | Exception]) -> None:
        self._answers = answers

    def __call__(self) -> None:
        self._answers.put(SourceCancelledError())


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
