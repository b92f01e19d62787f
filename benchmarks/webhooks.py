"""Webhooks of many incidents to a receiver that refuses, stalls, redirects and drops connections,
from a delivery process that is killed again and again; then the same without a fault.

Prints what was lost, how often a revision arrived, and the processor time of one webhook.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

from scanner.store.database import Journal, open_journal
from tests.delivery.loopback import LoopbackReceiver
from tests.delivery.rows import add_revisions
from tests.delivery.test_faults import ANSWERS, delivering, statuses, wait_for, write_config


def main() -> None:
    """Run both and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    for kills in (given.kills, 0):
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), given.incidents, kills)


def measure(folder: Path, incidents: int, kills: int) -> None:
    """Deliver ``opened`` and ``closed`` of each incident, and print what became of them."""
    journal = open_journal(folder / "data", create=True)
    for number in range(incidents):
        name = f"{number:016x}"
        add_revisions(journal, ["opened", "closed"], incident_id=name, stream_id=f"s{number}")
    draws = random.Random(7)
    began, used = time.monotonic(), _child_seconds()
    with LoopbackReceiver() as receiver:
        if kills:
            receiver.behave = lambda: draws.choice(ANSWERS)
        config = write_config(folder, receiver.url, timeout=0.5 if kills else 30.0)
        for _ in range(kills):
            with delivering(config, folder / "data", tries=1000):
                until = receiver.requests + draws.randrange(1, 2 * incidents // kills)
                wait_for(lambda until=until: receiver.requests >= until, seconds=600)  # type: ignore[misc]
        with delivering(config, folder / "data", tries=1000):
            wait_for(lambda: _is_done(journal), seconds=3600)
    _print_figures(receiver, incidents, kills)
    seconds, cpu = time.monotonic() - began, _child_seconds() - used
    each = 1000 * cpu / (2 * incidents)
    print(f"  {seconds:.0f} s, {cpu:.0f} s of processor time, {each:.1f} ms each")
    journal.close()


def _is_done(journal: Journal) -> bool:
    time.sleep(0.2)
    return statuses(journal) == {"delivered"}


def _print_figures(receiver: LoopbackReceiver, incidents: int, kills: int) -> None:
    expected = {f"{number:016x}-{part}" for number in range(incidents) for part in (1, 2)}
    first = {name: place for place, name in reversed(list(enumerate(receiver.order)))}
    wrong = sum(first[f"{n:016x}-1"] > first[f"{n:016x}-2"] for n in range(incidents))
    print(f"{2 * incidents} webhooks, {kills} kills: {receiver.requests} requests")
    print(f"  lost: {len(expected - set(receiver.ids))}, closed before opened: {wrong}")
    print(f"  arrivals of one revision: {dict(sorted(Counter(receiver.ids.values()).items()))}")


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
