"""The child that reads one live input: ``python -m scanner.follow.live_child``, URL on stdin.

It connects, gives up every right but that of its connection, and writes segments to stdout: a line
of JSON with size and duration, then the bytes. A URL may contain a password, so it is no argument.
"""

from __future__ import annotations

import json
import os
import sys
from fractions import Fraction
from typing import Final

from scanner.errors import ScannerError
from scanner.media.live_input import cut_live
from scanner.rational import dump_fraction
from scanner.sandbox.limits import LONGEST_SECONDS, SandboxLimits
from scanner.sandbox.restrictions import apply_restrictions, exit_with_parent

__all__ = ["main"]

SEGMENT_SECONDS: Final = Fraction(4)
EXIT_FAILED: Final = 3


def main() -> int:
    """Cut the input whose URL is the first line of stdin; return the exit status."""
    url, shown = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    exit_with_parent(os.getppid())
    limits = SandboxLimits(source_seconds=LONGEST_SECONDS)
    try:
        for data, duration in cut_live(
            url, SEGMENT_SECONDS, shown=shown, restrict=lambda: _restrict(limits)
        ):
            head = {"size": len(data), "duration": dump_fraction(duration)}
            sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + data)
            sys.stdout.buffer.flush()
    except ScannerError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    return 0


def _restrict(limits: SandboxLimits) -> None:
    missing = apply_restrictions(limits).missing
    if missing:  # the parent reads this only if it is the last line
        sys.stderr.write(f"restrictions that are missing: {dict(missing)}\n")


if __name__ == "__main__":
    sys.exit(main())
