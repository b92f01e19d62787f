"""A model folder on disk: written beside its place, and moved there in one step when it is
complete."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanner.errors import SetupError
from scanner.scoring.manifest import Manifest

__all__ = ["manifest_text", "staged", "write_file"]


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """An empty folder of the target's name that becomes the target at the end, or is gone if
    anything goes wrong.

    Raises:
        SetupError: the target is there already, or its parent cannot be written to.
    """
    if target.exists():
        raise SetupError(
            f"{target} is there already: take it away first, or add the model under another name"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".adding-", dir=target.parent))
    except OSError as why:
        raise SetupError(
            f"cannot write to {target.parent}: {why.strerror}; name another folder with --into"
        ) from why
    try:
        folder = stage / target.name
        folder.mkdir()
        yield folder
        folder.rename(target)
    except OSError as why:
        raise SetupError(f"cannot write {target}: {why.strerror}") from why
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """On the disk when it returns."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def manifest_text(manifest: Manifest, *, comment: str) -> str:
    """A manifest as TOML; keys at their defaults are left out."""
    tree = manifest.model_dump(mode="json", exclude_defaults=True)
    return "\n".join([f"# {comment}", *_table(tree, ())]) + "\n"


def _table(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Plain keys first, then tables, each under its full name."""
    tables = {key: value for key, value in tree.items() if isinstance(value, dict)}
    arrays = {
        key: value
        for key, value in tree.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    for key, value in tree.items():
        if key not in tables and key not in arrays:
            yield f"{key} = {_value(value)}"
    for key, table in tables.items():
        yield from ("", f"[{'.'.join((*path, key))}]", *_table(table, (*path, key)))
    for key, rows in arrays.items():
        for row in rows:
            yield from ("", f"[[{'.'.join((*path, key))}]]", *_table(row, (*path, key)))


def _value(value: Any) -> str:
    """JSON's scalars and lists are TOML's, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
