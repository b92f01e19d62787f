"""What a scan leaves is for its owner alone."""

from __future__ import annotations

import ast
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.private import make_folder, private_opener, write_file

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private_and_those_that_exist_stay(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path)

    assert [mode(path) for path in (tmp_path / "a/b", tmp_path / "a", tmp_path)] == [
        *(0o700, 0o700, 0o755),
    ]


def test_a_file_is_private_also_where_a_public_one_was(tmp_path: Path) -> None:
    for path in (tmp_path / "new", tmp_path / "old"):
        if path.name == "old":
            path.write_bytes(b"longer than the new one")
            path.chmod(0o644)

        write_file(path, b"secret")

        assert (path.read_bytes(), mode(path)) == (b"secret", 0o600)


def test_a_pipe_stays_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    with open(pipe, "w", opener=private_opener) as file:
        file.write("line")

    assert (os.read(reader, 10), mode(pipe)) == (b"line", 0o644)
    os.close(reader)


OTHERS = {
    # models are read by whoever scans
    "scanner/model_import/folder.py",
    "scanner/scoring/golden.py",
    # logs and locks in a folder that is private
    "workers/cluster.py",
    "workers/leftovers.py",
    # its files are made with mode 0600
    "scanner/store/objects.py",
    # what was opened before
    "scanner/media/mux.py",
    "scanner/media/redraw.py",
    "scanner/media/segmenting.py",
    # a drawn clip
    "scanner/media/synthetic.py",
}


def writers(file: Path) -> Iterator[str]:
    """Yield the calls of a module that write files, and do not say for whom."""
    text = file.read_text("utf-8")
    if not re.search(r"open\(|\.write_", text):
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
        opens = called.endswith("open") and any(
            isinstance(mode, str) and set(mode) <= set("wxab+t") and set(mode) & set("wxa")
            for mode in modes
        )
        opens |= called == "os.open" and "O_CREAT" in ast.unparse(node)
        is_private = any(word.arg == "opener" for word in node.keywords)
        if (opens and not is_private) or called.endswith((".write_text", ".write_bytes")):
            yield f"{file.relative_to(ROOT)}:{node.lineno}"


def test_no_other_module_writes_files() -> None:
    """Reports, recordings, scores, objects and the journal: only their owner may read them."""
    files = [*ROOT.glob("scanner/**/*.py"), *ROOT.glob("workers/**/*.py")]
    found = {place for file in files for place in writers(file)}

    left = {place.partition(":")[0] for place in found} - {"scanner/private.py"}

    assert left <= OTHERS, sorted(found)
    assert len(files) > 100
