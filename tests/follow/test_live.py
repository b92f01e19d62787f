"""A live input is read by a child of its own, whose segments are pushed as they come."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from scanner.errors import DamagedError, TransientError
from scanner.follow.live import COMMAND, follow_live, read_piece
from scanner.media.live_input import cut_live
from scanner.sandbox.launcher import child_environment

URL = "rtmp://me:secret@host/live/cam"
SHOWN = "rtmp://host/live/cam"
TWO_PIECES = """
import sys
assert sys.stdin.readline() == "rtmp://me:secret@host/live/cam\\n"
for data in (b"first", b"second"):
    sys.stdout.buffer.write(b'{"size": %d, "duration": [4, 1]}\\n' % len(data) + data)
"""


class FakePusher:
    """Records what is pushed."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, bytes]] = []

    def push(self, path: str, data: bytes) -> bool:
        self.pushed.append((path, data))
        return True


def follow(script: str) -> FakePusher:
    pusher: Any = FakePusher()
    with pytest.raises(TransientError) as raised:
        follow_live(URL, SHOWN, pusher, most=100, command=(sys.executable, "-c", script))
    pusher.error = str(raised.value)
    return pusher  # type: ignore[no-any-return]


def test_the_segments_of_a_live_input_are_pushed_until_it_ends() -> None:
    pusher: Any = follow(TWO_PIECES)
    assert [data for _, data in pusher.pushed] == [b"first", b"second"]
    assert all(path.startswith("follow/segment-") for path, _ in pusher.pushed)
    assert pusher.error == f"{SHOWN}: the server ended the stream"


def test_what_a_child_says_of_its_failure_is_the_reason() -> None:
    pusher: Any = follow("import sys; sys.exit('transient host: cannot be opened')")
    assert pusher.error == "transient host: cannot be opened"


def test_a_child_knows_no_secret_of_the_service_and_starts_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMWARDEN_API_KEY", "secret")

    pusher: Any = follow(
        "import os, sys, numpy; threads = len(os.listdir('/proc/self/task'));"
        "sys.exit(f'{threads} {\"STREAMWARDEN_API_KEY\" in os.environ}')"
    )

    assert pusher.error == "1 False"


def test_a_server_that_is_silent_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        streams = SimpleNamespace(
            video=[SimpleNamespace(codec_context=SimpleNamespace(name="h264", extradata=b""))]
        )

        def __enter__(self) -> Silent:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def demux(self, track: object) -> None:
            raise av.error.ExitError(1, "Immediate exit requested")

    monkeypatch.setattr(av, "open", lambda *_, **__: Silent())

    with pytest.raises(TransientError, match="nothing came for 20 s"):
        list(cut_live(URL, Fraction(4), shown=SHOWN, restrict=lambda: None))


def test_a_piece_is_read_as_the_child_writes_it() -> None:
    stream = io.BytesIO(b'{"size": 3, "duration": [7, 2]}\nabc{"size": 9, "duration": [1, 1]}\nab')
    assert read_piece(stream, most=9) == (b"abc", Fraction(7, 2))
    assert read_piece(stream, most=9) is None
    assert read_piece(stream, most=9) is None


@pytest.mark.parametrize(
    "head",
    [
        b"no json\n",
        b"{}\n",
        b'{"size": 10, "duration": [1, 1]}\n',
        b'{"size": true, "duration": 1}\n',
    ],
)
def test_a_child_that_writes_something_else_is_not_believed(head: bytes) -> None:
    with pytest.raises(DamagedError):
        read_piece(io.BytesIO(head + b"x" * 20), most=9)


def nginx_settings(folder: Path, module: Path, port: int) -> Path:
    """Write the settings of an nginx that takes RTMP."""
    settings = folder / "nginx.conf"
    settings.write_text(
        f"load_module {module};\ndaemon off;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}\n"
    )
    return settings


PICTURES = [
    *("-re", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10"),
    *("-t", "20", "-c:v", "libx264", "-g", "10", "-progress", "pipe:1", "-f", "flv"),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            continue
        return


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("ffmpeg")), reason="needs nginx and ffmpeg"
)
def test_a_stream_of_nginx_is_cut_by_a_child_without_rights(tmp_path: Path) -> None:
    modules = [*Path("/usr/lib/nginx/modules").glob("ngx_rtmp_module.so")]
    if not modules:
        pytest.skip("needs the RTMP module of nginx")
    port = free_port()
    settings = nginx_settings(tmp_path, modules[0], port)
    url = f"rtmp://127.0.0.1:{port}/live/cam"
    nginx = subprocess.Popen([str(shutil.which("nginx")), "-c", str(settings)])
    wait_until_listening(port)
    words = ["ffmpeg", "-nostdin", "-loglevel", "error", *PICTURES, url]
    encoder = subprocess.Popen(words, stdout=subprocess.PIPE)
    next(line for line in encoder.stdout if line.startswith(b"out_time_us=") and b"N/A" not in line)
    child = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment()
    )
    try:
        child.stdin.write(f"{url}\n{url}\n".encode())
        child.stdin.close()
        for _ in range(2):
            data, duration = read_piece(child.stdout, most=1 << 20) or (b"-", 0)
            assert (data[0], duration) == (0x47, 4)
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert "Seccomp:\t2" in status
    finally:
        nginx.terminate()  # killed, it would leave its worker
        for process in (child, encoder):
            process.kill()
        for process in (child, encoder, nginx):
            process.wait()
        child.stdout.close()
        encoder.stdout.close()
