"""The web process as a process, on a socket that outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from scanner.store.database import open_journal


class WebProcess:
    """Starts and ends the web process; a client's connections wait while there is none."""

    def __init__(self, folder: Path, *, module: str = "scanner.intake.server") -> None:
        self._module = module
        self.data = folder / "data"
        open_journal(self.data, create=True).close()
        self._config = folder / "service.toml"
        self._config.write_text(
            f'[service]\ndata = "{self.data}"\n[service.quota]\nbacklog_seconds = 1000000.0\n'
        )
        self._log = folder / "web.log"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.set_inheritable(True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process."""
        descriptor = self._listener.fileno()
        module = ["-m", self._module, "--fd", str(descriptor)]
        words = [sys.executable, *module, "--config", str(self._config)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(words, pass_fds=[descriptor], stderr=log)
        return self.process

    def wait_until_ready(self) -> None:
        """Return once it answers."""
        with httpx.Client(base_url=self.url, timeout=120) as client:
            client.get("/healthz")

    def kill(self) -> None:
        """End the process as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def drain(self) -> int:
        """Ask the process to end, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def pss_bytes(self) -> int:
        """Memory of the process, with its share of what it shares."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return 1024 * int(next(x for x in text.splitlines() if x.startswith("Pss:")).split()[1])

    @property
    def descriptors(self) -> int:
        """Number of open descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def log(self) -> str:
        """Everything that it wrote to standard error."""
        return self._log.read_text()

    def close(self) -> None:
        """End the process, if it is there, and close the socket."""
        if self.process.poll() is None:
            self.kill()
        self._listener.close()

    def __enter__(self) -> WebProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
