"""The listening socket of the service: bound here, or inherited from a service manager.

A service manager that follows systemd's protocols gives the socket as descriptor 3 (``LISTEN_FDS``
and ``LISTEN_PID``, sd_listen_fds(3)), and is told on its own socket when the service is ready
(``NOTIFY_SOCKET``, sd_notify(3)).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Final

from scanner.errors import SetupError

__all__ = ["notify_manager", "open_listener"]

BACKLOG: Final = 1024
"""Connections that wait for web while it restarts."""
FIRST_INHERITED: Final = 3


def open_listener(
    host: str, port: int, environment: MutableMapping[str, str], *, pid: int | None = None
) -> socket.socket:
    """Return the socket that a service manager passed to this process, or a new one.

    The variables of the protocol are removed from ``environment``, so that no child takes the
    socket for its own. ``pid`` is that of this process by default.

    Raises:
        SetupError: the address cannot be listened on, or what was passed is no listening socket.
    """
    intended = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if intended == str(os.getpid() if pid is None else pid) and count not in ("", "0"):
        return _inherit(count)
    return _listen(host, port)


def notify_manager(message: str, address: str | None) -> None:
    """Tell a service manager the state of this process, such as ``READY=1``.

    ``address`` is the value of ``NOTIFY_SOCKET``; without one nobody waits. A manager that cannot
    be reached is no error.
    """
    if not address:
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(message.encode(), name)
        except OSError:
            return


def _inherit(count: str) -> socket.socket:
    if count != "1":
        raise SetupError(f"service: {count} sockets were passed, one is wanted")
    try:
        listener = socket.socket(fileno=FIRST_INHERITED)
        is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SetupError(f"service: descriptor 3 is no socket: {error.strerror}") from error
    if not is_listening or listener.family not in (socket.AF_INET, socket.AF_INET6):
        raise SetupError("service: descriptor 3 is not a listening TCP socket")
    os.set_inheritable(FIRST_INHERITED, False)
    return listener


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SetupError(
            f"service: cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
    return listener
