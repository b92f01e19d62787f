"""Firefox as Debian ships it, without a window, driven by its own protocol (Marionette)."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["Firefox", "running_firefox"]

START_SECONDS = 60.0


class Firefox:
    """One window; commands are those of WebDriver."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._number = 0
        self._read()

    def send(self, command: str, **parameters: Any) -> Any:
        """Run a command, and return its value; a command that fails is an error."""
        self._number += 1
        body = json.dumps([0, self._number, command, parameters]).encode()
        self._stream.write(b"%d:%b" % (len(body), body))
        self._stream.flush()
        _, _, error, result = self._read()
        if error is not None:
            raise RuntimeError(f"{command}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def run(self, script: str) -> Any:
        """Run the body of a function in the page, and return its value."""
        return self.send("WebDriver:ExecuteScript", script=script, args=[])

    def wait(self, script: str, seconds: float = 30.0) -> Any:
        """Return the value of a script once it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := self.run(script):
                return found
            time.sleep(0.05)
        where = self.run("return location.href")
        raise AssertionError(f"{where}: {script}: not within {seconds:g} s")

    def picture(self) -> bytes:
        """Return a picture of the window in PNG."""
        return base64.b64decode(self.send("WebDriver:TakeScreenshot", full=False))

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._stream.read(1)
        return json.loads(self._stream.read(int(size[:-1])))


@contextmanager
def running_firefox(folder: Path, program: str | None = None) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own, and end it with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    command = [program or shutil.which("firefox-esr") or "firefox", "--headless", "--marionette"]
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-remote", "--profile", str(profile)],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_HEADLESS": "1"},
        )
    try:
        with _connected(port, process) as connection:
            firefox = Firefox(connection)
            firefox.send("WebDriver:NewSession", capabilities={})
            yield firefox
    finally:
        process.terminate()
        process.wait(30)


def _connected(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not listen: status {process.poll()}")
