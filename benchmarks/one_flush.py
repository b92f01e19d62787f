"""The simplest durable writer: a flush of the file, the folder and the row for each segment.

``python -m benchmarks.one_flush FOLDER BYTES COUNT`` prints the wall seconds of a segment, to
compare ``benchmarks.intake`` with.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from scanner.store.database import open_journal

__all__ = ["write_each"]


def write_each(folder: Path, body: bytes, count: int) -> float:
    """Write ``count`` segments, one after the other; return the wall seconds of each."""
    journal = open_journal(folder / "journal", create=True)
    begun = time.monotonic()
    for number in range(count):
        path = folder / f"segment-{number}"
        with path.open("xb", buffering=0) as file:
            file.write(body)
            os.fsync(file.fileno())
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        with journal.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO counters (name, label, shard, value) VALUES (?, ?, 0, 0)",
                (str(path), str(time.monotonic())),
            )
    seconds = (time.monotonic() - begun) / count
    journal.close()
    return seconds


def main() -> None:
    """Write, and print the seconds of each segment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bytes", type=int)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    print(write_each(given.folder, os.urandom(given.bytes), given.count))


if __name__ == "__main__":
    main()
