"""Long media outside of memory."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import tempfile
from hashlib import blake2b
from io import BytesIO

import psutil
import pytest

from scanner.errors import TransientError
from scanner.media.open import prepend_init
from scanner.sandbox.memory import SourceOpener
from scanner.spooled import MOST_IN_MEMORY, Spool, SpooledBytes
from scanner.types import held_size

PART = bytes(range(256)) * 4096


def spooled(count: int) -> bytes | SpooledBytes:
    with Spool() as spool:
        for _ in range(count):
            spool.write(PART)
        return spool.take()


@pytest.fixture
def long() -> SpooledBytes:
    source = spooled(9)
    assert isinstance(source, SpooledBytes)
    return source


def test_a_short_body_stays_in_memory_and_a_long_one_does_not() -> None:
    most = MOST_IN_MEMORY // len(PART)

    assert spooled(most) == PART * most
    assert isinstance(spooled(most + 1), SpooledBytes)


def test_spooled_bytes_are_what_was_written(long: SpooledBytes) -> None:
    assert long.read() == PART * 9
    assert held_size(long) == len(long) == 9 * len(PART)
    assert long.digest(16) == blake2b(PART * 9, digest_size=16).digest()


def test_a_copy_for_another_process_has_the_same_bytes(long: SpooledBytes) -> None:
    copy = pickle.loads(pickle.dumps(long))

    assert isinstance(copy, SpooledBytes)
    assert copy.read() == long.read()


def test_a_child_gets_spooled_bytes_to_read_and_no_more(long: SpooledBytes) -> None:
    opener = SourceOpener()

    with opener.open_sources([long, long], name="x") as (first, second):
        assert os.read(first, 2) == os.read(second, 2) == PART[:2]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(first, b"x")


def test_the_file_has_no_name_and_ends_with_its_last_user(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()
    before = psutil.Process().num_fds()

    source = spooled(9)
    left = os.listdir(str(tmp_path))
    opened = psutil.Process().num_fds()
    del source

    assert (left, opened, psutil.Process().num_fds()) == ([], before + 1, before)


def test_a_full_disk_is_no_error_of_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("scanner.spooled.TemporaryFile", refuse)

    with pytest.raises(TransientError, match="No space left on device"):
        spooled(9)


@pytest.fixture
def whole() -> tuple[bytes, object]:
    init, segment = b"init" * 1000, PART
    return init + segment, prepend_init(BytesIO(segment), init)


def test_an_init_and_its_segment_read_as_one_file(whole: tuple[bytes, BytesIO]) -> None:
    wanted, joined = whole

    assert joined.read(len(wanted) + 1) == wanted
    for at in (0, 3999, 4000, 4001, len(wanted) - 1, len(wanted), len(wanted) + 9):
        assert joined.seek(at) == joined.tell() == at
        assert joined.read(9000) == wanted[at : at + 9000]
    assert joined.seek(-4, os.SEEK_END) == len(wanted) - 4
    assert joined.seek(2, os.SEEK_CUR) == len(wanted) - 2
    assert joined.read() == wanted[-2:]
    with pytest.raises(ValueError, match="before the first byte"):
        joined.seek(-1)
