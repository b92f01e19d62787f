"""Writing a model folder: in a temporary folder, moved to its place in one step when complete."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from scanner.errors import SetupError
from scanner.scoring.manifest import FILENAME, Manifest

__all__ = ["MARK", "find_added", "manifest_text", "staging_folder", "write_file"]

MARK: Final = "Written by `streamwarden models add`"
"""Beginning of the comment in the manifest of a model that was added."""


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` at the end, or is removed on an exception.

    Raises:
        SetupError: the target exists already, or its parent cannot be written to.
    """
    if target.exists():
        raise SetupError(
            f"{target} exists already: `streamwarden models remove {target.name}` first, or add the"
            " model under another name"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".adding-", dir=target.parent))
    except OSError as error:
        raise SetupError(
            f"cannot write to {target.parent}: {error.strerror}; name another folder with --into"
        ) from error
    try:
        folder = stage / target.name
        folder.mkdir()
        yield folder
        folder.rename(target)
    except OSError as error:
        raise SetupError(f"cannot write {target}: {error.strerror}") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file and flush it to disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def find_added(parent: Path) -> dict[str, Path]:
    """Return the folders in ``parent`` that ``add_model`` has written, by the model's name."""
    return {
        manifest.parent.name: manifest.parent
        for manifest in sorted(parent.glob(f"*/{FILENAME}"))
        if not manifest.parent.is_symlink() and _is_marked(manifest)
    }


def _is_marked(manifest: Path) -> bool:
    with manifest.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(f"# {MARK}")


def manifest_text(manifest: Manifest, *, comment: str) -> str:
    """Return a manifest as TOML without the keys that have their defaults."""
    tree = manifest.model_dump(mode="json", exclude_defaults=True)
    return "\n".join([f"# {comment}", *_table_lines(tree, ())]) + "\n"


def _table_lines(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table: its plain keys, then its nested tables under their full names."""
    tables = {key: value for key, value in tree.items() if isinstance(value, dict)}
    arrays = {
        key: value
        for key, value in tree.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    for key, value in tree.items():
        if key not in tables and key not in arrays:
            yield f"{key} = {_format_value(value)}"
    for key, table in tables.items():
        yield from ("", f"[{'.'.join((*path, key))}]", *_table_lines(table, (*path, key)))
    for key, rows in arrays.items():
        for row in rows:
            yield from ("", f"[[{'.'.join((*path, key))}]]", *_table_lines(row, (*path, key)))


def _format_value(value: Any) -> str:
    """Format a scalar or list; JSON's form is TOML's, except for the control character DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
