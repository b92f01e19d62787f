"""The service killed again and again under load: ``python -m benchmarks.kills``.

One process at a time, each part as likely as the others, while streams are sent; then everything at
once. Each journal is read by a checker that shares no code with the service, and compared with that
of an undisturbed run. Exits with status 1 if anything acknowledged is lost, counted twice, or
differs. Sandboxed processes are a part of their own, and with ``--workers`` the actors, the raylet,
the GCS and the other processes of Ray are parts too. ``--rules`` adds a run in which the age, stall
and grace rules act, and checks that every segment has one verdict.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from samples.demo import make_demo_media
from tests.whole.test_service_kills import (
    check,
    check_invariants,
    kill_everything,
    kill_under_load,
    kill_with_rules_on,
    streams_of,
    undisturbed,
)

__all__ = ["main"]


def main() -> int:
    """Kill, compare and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills of one process")
    parser.add_argument("--rules", type=int, default=0, help="kills with all rules on, in addition")
    parser.add_argument("--all", type=int, default=20, help="kills of everything at once")
    parser.add_argument("--seconds", type=float, default=3.0, help="mean seconds between two kills")
    parser.add_argument(
        "--pause", type=float, default=3.0, help="seconds between two segments of a stream"
    )
    parser.add_argument("--workers", type=int, default=0, help="Ray workers; 0 for one thread")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_demo_media(folder / "media", seconds=18)
        for part in ("one", "rules", "all", "quiet"):
            (folder / part).mkdir()
        if given.kills:
            _kill_one(folder, given.kills, given.seconds, given.workers, given.pause)
        if given.rules:
            _kill_with_rules(folder, given.rules, given.seconds, given.workers)
        if given.all:
            _kill_all(folder, given.all)
    return 0


def _kill_one(folder: Path, kills: int, seconds: float, workers: int, pause: float) -> None:
    began = time.monotonic()
    sender, found, killed, streams = kill_under_load(
        folder / "one",
        folder / "media",
        kills=kills,
        workers=workers,
        seconds_between=seconds,
        pause=pause,
    )
    print(f"{kills} kills of one process: {dict(sorted(Counter(killed).items()))}", flush=True)
    check(sender, found, undisturbed(folder / "quiet", streams))
    print(
        f"  {len(sender.acknowledged)} segments of {len(streams)} streams acknowledged,"
        f" {len(found.verdicts)} verdicts, {len(found.revisions)} revisions of incidents,"
        f" equal to an undisturbed run; {time.monotonic() - began:.0f} s"
    )


def _kill_with_rules(folder: Path, kills: int, seconds: float, workers: int) -> None:
    began = time.monotonic()
    sender, found, killed = kill_with_rules_on(
        folder / "rules", folder / "media", kills=kills, workers=workers, seconds_between=seconds
    )
    print(f"{kills} kills with rules on: {dict(sorted(Counter(killed).items()))}", flush=True)
    verdicts = check_invariants(sender, found)
    print(
        f"  {len(sender.acknowledged)} segments acknowledged, one verdict each, counted once:"
        f" {dict(sorted(verdicts.items()))}; {time.monotonic() - began:.0f} s"
    )


def _kill_all(folder: Path, times: int) -> None:
    began, media = time.monotonic(), folder / "media"
    sender, found, streams = kill_everything(folder / "all", media, times=times)
    (folder / "quiet-all").mkdir()
    check(sender, found, undisturbed(folder / "quiet-all", streams_of(media, rounds=1)))
    print(
        f"everything killed {times} times: {len(sender.acknowledged)} segments of"
        f" {len(streams)} streams acknowledged, equal to an undisturbed run;"
        f" {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
