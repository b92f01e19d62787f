"""Webhooks to a receiver that fails in every way, from a process that is killed: none is lost."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from scanner.store.database import Journal, open_journal
from scanner.store.effects import EffectJournal
from scanner.store.objects import ObjectStore
from scanner.store.schema import effects, evidence, heartbeats
from tests.delivery.build import FakeDriver
from tests.delivery.loopback import SECRET, LoopbackReceiver
from tests.delivery.rows import add_revisions

pytestmark = pytest.mark.fault

INCIDENTS = 250
ANSWERS = (204,) * 14 + (500, 503, 302, 400, None, "lost", "stall")
"""A third of all requests fails; ``lost`` takes the webhook in and drops the connection, ``stall``
does not answer in time."""


@pytest.fixture
def journal(data: Path) -> Iterator[Journal]:
    journal = open_journal(data, create=True)
    yield journal
    journal.close()


def write_config(folder: Path, url: str, *, timeout: float = 30.0) -> Path:
    config = folder / "service.toml"
    config.write_text(
        f'[service.webhooks.hook]\nurl = "{url}"\nsecret = "{SECRET}"\n'
        f'addresses = "any"\ntimeout_seconds = {timeout}\n'
    )
    return config


@contextmanager
def delivering(config: Path, data: Path, *, tries: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the delivery process; it is killed at the end, if it runs then."""
    command = [sys.executable, "-m", "tests.delivery.fast_server", str(tries)]
    command += ["--config", str(config), "--data", str(data)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def statuses(journal: Journal) -> set[str]:
    with journal.read() as connection:
        return set(connection.execute(select(effects.c.status)).scalars())


def expected_ids(count: int) -> set[str]:
    return {f"{number:016x}-{part}" for number in range(count) for part in (1, 2)}


def add_incidents(journal: Journal, count: int) -> None:
    for number in range(count):
        add_revisions(
            journal,
            ["opened", "closed"],
            incident_id=f"{number:016x}",
            stream_id=f"s{number}",
        )


def test_500_webhooks_survive_a_failing_receiver_and_a_sender_that_is_killed(
    journal: Journal, data: Path, tmp_path: Path
) -> None:
    draws = random.Random(7)
    add_incidents(journal, INCIDENTS)
    with LoopbackReceiver() as receiver:
        receiver.behave = lambda: draws.choice(ANSWERS)
        config = write_config(tmp_path, receiver.url, timeout=0.5)
        for _ in range(6):
            with delivering(config, data, tries=1000) as process:
                until = receiver.requests + draws.randrange(1, 90)
                wait_for(lambda until=until: receiver.requests >= until)  # type: ignore[misc]
                process.send_signal(signal.SIGKILL)
        with delivering(config, data, tries=1000):
            wait_for(lambda: statuses(journal) == {"delivered"})

    assert set(receiver.ids) == expected_ids(INCIDENTS)
    first_seen = list(dict.fromkeys(receiver.order))
    for number in range(INCIDENTS):
        assert first_seen.index(f"{number:016x}-1") < first_seen.index(f"{number:016x}-2")


def test_webhooks_that_were_given_up_are_listed_and_sent_again(
    journal: Journal, data: Path, tmp_path: Path
) -> None:
    add_incidents(journal, 20)
    rows = EffectJournal(journal)
    with LoopbackReceiver() as receiver:
        receiver.behave = lambda: 503
        config = write_config(tmp_path, receiver.url)
        with delivering(config, data, tries=1):
            wait_for(lambda: statuses(journal) == {"dead"})
            assert len(rows.list_dead(limit=1000)) == 40
            receiver.behave = lambda: 204
            assert rows.retry_dead() == 40
            wait_for(lambda: statuses(journal) == {"delivered"})
    assert set(receiver.ids) == expected_ids(20)


def test_a_receiver_that_stalls_delays_no_other_one(
    journal: Journal, data: Path, tmp_path: Path
) -> None:
    for number in range(40):
        add_revisions(
            journal,
            ["opened"],
            incident_id=f"{number:016x}",
            stream_id=f"s{number}",
            sinks=("hook", "stalled"),
        )
    with LoopbackReceiver() as receiver, LoopbackReceiver() as stalled:
        stalled.behave = lambda: "stall"
        config = write_config(tmp_path, receiver.url)
        more = config.read_text().replace(".hook]", ".stalled]").replace(receiver.url, stalled.url)
        config.write_text(config.read_text() + more)
        with delivering(config, data, tries=10) as process:
            wait_for(lambda: len(receiver.ids) == 40)
            assert stalled.requests == 8
            process.kill()


def test_a_process_that_is_asked_to_end_finishes_what_is_in_hand(
    journal: Journal, data: Path, tmp_path: Path
) -> None:
    add_revisions(journal, ["opened"])
    held = threading.Event()
    with LoopbackReceiver() as receiver:
        begun = threading.Event()

        def wait_and_answer(_: dict[str, Any]) -> int:
            begun.set()
            held.wait(30)
            return 204

        receiver.answer = wait_and_answer
        config = write_config(tmp_path, receiver.url)
        with delivering(config, data, tries=10) as process:
            assert begun.wait(60)
            process.send_signal(signal.SIGTERM)
            held.set()
            assert process.wait(60) == 0
    assert statuses(journal) == {"delivered"}


# Evidence

STREAMS = 3


def test_evidence_is_the_same_whenever_the_process_is_killed(
    driver: FakeDriver,
    journal: Journal,
    data: Path,
    tmp_path: Path,
    card_segments: list[Path],
) -> None:
    for number in range(STREAMS):
        driver.run(f"s{number}", card_segments)
    undisturbed = tmp_path / "undisturbed"
    journal.close()
    shutil.copytree(data, undisturbed)
    config = tmp_path / "service.toml"
    config.write_text("[models]\nnames = []\n")

    with delivering(config, undisturbed, tries=10), closing(open_journal(undisturbed)) as rows:
        wait_for(lambda: is_made(rows))
        expected = made_objects(rows)
    draws = random.Random(11)
    for _ in range(5):
        beats = heartbeat(journal)
        with delivering(config, data, tries=10) as process:
            wait_for(lambda before=beats: heartbeat(journal) != before)  # type: ignore[misc]
            threading.Event().wait(draws.uniform(0, 1.5))
            process.send_signal(signal.SIGKILL)
        make_due_now(journal)
    with delivering(config, data, tries=10):
        wait_for(lambda: is_made(journal))

    assert made_objects(journal) == expected
    assert len(expected) == 4 * STREAMS
    objects = ObjectStore(data / "objects")
    for name in expected.values():
        assert sha256(objects.path(name).read_bytes()).hexdigest()[:24] in name


def is_made(journal: Journal) -> bool:
    with journal.read() as connection:
        found = connection.execute(select(evidence.c.status)).scalars().all()
    return len(found) == 4 * STREAMS and set(found) == {"cut"}


def made_objects(journal: Journal) -> dict[tuple[str, str], str]:
    with journal.read() as connection:
        rows = connection.execute(select(evidence))
        return {(row.incident_id, row.piece): row.object for row in rows}


def heartbeat(journal: Journal) -> float | None:
    with journal.read() as connection:
        return connection.execute(select(heartbeats.c.at)).scalar_one_or_none()


def make_due_now(journal: Journal) -> None:
    """Let pieces whose making was interrupted be tried at once, with all their tries."""
    with journal.write() as connection:
        connection.execute(update(evidence).values(next_at=0.0, tries=0))
