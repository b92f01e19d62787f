"""What a disk may hold after a power cut, from a trace of what a process wrote and flushed.

A trace is a list of operations in the order in which they were completed. At a cut, everything that
was flushed before it is there. Of what was not flushed, any part may be: each write or none of it,
or its first sectors; names that were changed, in their order, up to any of them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Operation", "image_at", "read_trace"]

SECTOR = 512
SYSCALLS = (
    "openat,write,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat,"
    "ftruncate,mkdir,mkdirat,sendto,sendmsg"
)
"""What ``strace`` has to trace, with ``-f -y -xx`` and a long ``-s``."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One completed system call on the data folder, or an answer to a client."""

    kind: str
    """create, write, truncate, rename, unlink, mkdir, flush_file, flush_folder, flush_all or
    answer."""
    path: str = ""
    target: str = ""
    data: bytes = b""
    offset: int | None = None
    """None to append."""


def read_trace(text: str, folder: Path) -> list[Operation]:
    """Return the operations on files below ``folder``, and the answers that were sent."""
    operations: list[Operation] = []
    for call, arguments, result in _calls(text):
        if not result.startswith("-"):
            operations += _operations(call, arguments, result, str(folder))
    return operations


def _calls(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, arguments and result of each call, at its completion."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = begun.pop(pid, "") + resumed.group(1)
        if found := re.match(r"(\w+)\((.*)\)\s+= (-?\w+.*)$", rest):
            yield found.group(1), found.group(2), found.group(3)


def _strings(arguments: str) -> list[bytes]:
    return [
        bytes.fromhex(found.replace("\\x", ""))
        for found in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)
    ]


def _descriptor(arguments: str) -> str:
    """Return the path of the first argument, a descriptor."""
    found = re.match(r"\d+<([^>]*)>", arguments)
    return "" if found is None else _plain(found.group(1))


def _plain(path: str) -> str:
    return bytes.fromhex(path.replace("\\x", "")).decode() if path.startswith("\\x") else path


def _operations(call: str, arguments: str, result: str, folder: str) -> Iterator[Operation]:
    strings, path = _strings(arguments), _descriptor(arguments)
    if call in ("sendto", "sendmsg") or (call == "write" and "socket" in path):
        yield Operation(
            kind="answer", path=arguments.split("<", maxsplit=1)[0], data=b"".join(strings)
        )
        return
    names = [text.decode("utf-8", "replace") for text in strings]
    if call == "openat":
        if "O_CREAT" in arguments and names[0].startswith(folder) and "-shm" not in names[0]:
            yield Operation(kind="create", path=names[0])
    elif call in ("mkdir", "mkdirat"):
        if names[0].startswith(folder):
            yield Operation(kind="mkdir", path=names[0])
    elif call.startswith("rename"):
        if names[0].startswith(folder):
            yield Operation(kind="rename", path=names[0], target=names[1])
    elif call.startswith("unlink"):
        if names[0].startswith(folder) and "-shm" not in names[0]:
            yield Operation(kind="unlink", path=names[0])
    elif path.startswith(folder) and "-shm" not in path:
        yield from _file_operations(call, arguments, result, path, strings)


def _file_operations(
    call: str, arguments: str, result: str, path: str, strings: Sequence[bytes]
) -> Iterator[Operation]:
    if call == "write":
        yield Operation(
            kind="write", path=path, data=strings[0][: int(result.split(maxsplit=1)[0])]
        )
    elif call == "pwrite64":
        offset = int(arguments.rsplit(",", 1)[1])
        data = strings[0][: int(result.split(maxsplit=1)[0])]
        yield Operation(kind="write", path=path, data=data, offset=offset)
    elif call == "ftruncate":
        yield Operation(kind="truncate", path=path, offset=int(arguments.rsplit(",", 1)[1]))
    elif call in ("fsync", "fdatasync"):
        is_folder = Path(path).is_dir()
        yield Operation(kind="flush_folder" if is_folder else "flush_file", path=path)
    elif call == "syncfs":
        yield Operation(kind="flush_all")


@dataclass
class _Disk:
    """Files by their numbers, names by path; and the same as far as it is durable."""

    files: dict[int, bytearray] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    durable_files: dict[int, bytes] = field(default_factory=dict)
    durable_names: dict[str, int] = field(default_factory=dict)
    unflushed: dict[int, list[Operation]] = field(default_factory=dict)
    name_changes: list[tuple[str, str, int]] = field(default_factory=list)
    """Changes of names that are not durable: kind, path and file, in their order."""
    next_number: int = 0

    def add_file(self, path: str, data: bytes = b"") -> int:
        number, self.next_number = self.next_number, self.next_number + 1
        self.files[number] = bytearray(data)
        self.durable_files[number] = data
        self.names[path] = number
        return number

    def apply(self, one: Operation) -> None:
        if one.kind == "create" and one.path not in self.names:
            number = self.add_file(one.path)
            self.name_changes.append(("add", one.path, number))
        elif one.kind in ("write", "truncate"):
            number = self.names.get(one.path, -1)
            if number >= 0:
                write(self.files[number], one, len(one.data))
                self.unflushed.setdefault(number, []).append(one)
        elif one.kind == "rename":
            number = self.names.pop(one.path)
            self.names[one.target] = number
            self.name_changes += [("add", one.target, number), ("remove", one.path, number)]
        elif one.kind == "unlink" and one.path in self.names:
            self.name_changes.append(("remove", one.path, self.names.pop(one.path)))
        elif one.kind == "flush_file":
            self._flush(self.names.get(one.path, -1))
        elif one.kind == "flush_folder":
            self._flush_names(one.path)
        elif one.kind == "flush_all":
            for number in [*self.files]:
                self._flush(number)
            self._flush_names("")

    def _flush(self, number: int) -> None:
        if number in self.files:
            self.durable_files[number] = bytes(self.files[number])
            self.unflushed.pop(number, None)

    def _flush_names(self, folder: str) -> None:
        left = []
        for change in self.name_changes:
            if not folder or str(Path(change[1]).parent) == folder:
                change_name(self.durable_names, change)
            else:
                left.append(change)
        self.name_changes = left


def change_name(names: dict[str, int], change: tuple[str, str, int]) -> None:
    kind, path, number = change
    if kind == "add":
        names[path] = number
    elif names.get(path) == number:
        del names[path]


def write(content: bytearray, one: Operation, size: int) -> None:
    """Apply the first ``size`` bytes of a write, or a truncation."""
    if one.kind == "truncate":
        end = one.offset or 0
        del content[end:]
        content.extend(bytes(max(0, end - len(content))))
        return
    start = len(content) if one.offset is None else one.offset
    content.extend(bytes(max(0, start - len(content))))
    content[start : start + size] = one.data[:size]


def image_at(
    before: Path, operations: Sequence[Operation], cut: int, seed: int, target: Path
) -> None:
    """Write to ``target`` what the disk may hold if the power ends after ``cut`` operations.

    ``before`` is a copy of the folder when the trace began, all of it durable; its files are known
    under the paths of the trace relative to the traced folder.
    """
    dice, disk = random.Random(seed), _Disk()
    for path in before.rglob("*"):
        if path.is_file() and "-shm" not in path.name:
            name = path.relative_to(before).as_posix()
            disk.durable_names[name] = disk.add_file(name, path.read_bytes())
    for one in operations[:cut]:
        disk.apply(one)
    names = dict(disk.durable_names)
    for change in disk.name_changes[: dice.randint(0, len(disk.name_changes))]:
        change_name(names, change)
    for name, number in names.items():
        content = bytearray(disk.durable_files[number])
        for one in disk.unflushed.get(number, ()):
            if dice.random() < 0.5:
                write(content, one, _torn(len(one.data), dice))
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _torn(size: int, dice: random.Random) -> int:
    """Return how many bytes of a write reached the disk: all, or whole sectors."""
    return size if dice.random() < 0.5 else SECTOR * dice.randint(0, size // SECTOR)
