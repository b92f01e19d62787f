"""A supervisor of two idle processes: ``python -m tests.supervisor.supervised FOLDER CHECK``."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence

from scanner.service_logs import set_up_service_logs
from scanner.supervisor.process import ServiceProcess
from scanner.supervisor.supervise import Supervisor


class Healthy:
    """A health check that finds nothing wrong."""

    def began(self, name: str, now: float) -> None: ...

    def silent_processes(self, now: float) -> Sequence[str]:
        return ()


def main(folder: str, check: str) -> None:
    """Supervise until SIGTERM; SIGHUP reloads if the program ``check`` ends with status 0."""
    set_up_service_logs("supervisor")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        supervisor = Supervisor(
            [
                ServiceProcess(name=name, module="tests.supervisor.idle", arguments=(name, folder))
                for name in ("first", "second")
            ],
            service="test",
            listener=listener,
            environment=dict(os.environ),
            health=Healthy(),  # type: ignore[arg-type]
            check=(check,),
        )
        signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
        signal.signal(signal.SIGHUP, lambda *_: supervisor.reload())
        supervisor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
