"""What cannot be looked at is refused in one line that names it; nothing else is ever opened, and nothing is ever raised but ours."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from samples.drawing import read_mark
from samples.facts import Sample
from samples.make_hostile import HOSTILE, Hostile, make_hostile, scripts
from samples.playlists import CANARY_NUMBER
from scanner.errors import InputError
from scanner.media import DecodeRequest, MediaLimits, decode
from tests.corpus.names import REFUSED
from tests.corpus.seen import SPEC, look, rgb

Media = Callable[[str], Sample]


@dataclass(frozen=True, slots=True)
class Trap:
    """The hostile files, and a listener that some of them name."""

    files: dict[str, Hostile]
    listener: socket.socket

    @property
    def called(self) -> bool:
        """Whether anyone connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        yield Trap(make_hostile(tmp_path_factory.mktemp("hostile"), address), listener)
