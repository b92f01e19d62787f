"""Whatever is killed, every acknowledged segment has one verdict and incidents are the same."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.whole.facts import Facts, latest_verdict, read_facts
from tests.whole.service import (
    SETTLE_SECONDS,
    RunningService,
    Sender,
    is_settled,
    random_victim,
    running_service,
)

pytestmark = pytest.mark.fault

KILLS = 20
SEGMENTS = 6
"""Segments of a stream of the demo's media."""
RAY_SECONDS = 15.0
"""Time until work goes on after a kill with Ray; streams are sent until the last kill."""
RULES_OFF = {
    "STREAMWARDEN_SERVICE__MAX_AGE": "100000",
    "STREAMWARDEN_SERVICE__STALL_SECONDS": "100000",
    "STREAMWARDEN_SERVICE__HOLE_SECONDS": "100000",
    "STREAMWARDEN_SERVICE__QUOTA__BACKLOG_SECONDS": "100000",
}

RULES_ON = {
    "STREAMWARDEN_SERVICE__MAX_AGE": "6",
    "STREAMWARDEN_SERVICE__STALL_SECONDS": "3",
    "STREAMWARDEN_SERVICE__HOLE_SECONDS": "1",
}


def kill_under_load(
    folder: Path,
    media: Path,
    *,
    kills: int,
    workers: int,
    seconds_between: float = 2.0,
    pause: float = 3.0,
) -> tuple[Sender, Facts, list[str], Mapping[str, Sequence[Path]]]:
    """Send streams until processes were killed, each once all parts run again; return what the
    journal says in the end, and the streams.

    ``pause`` is the time between two segments of a stream; one stream of each scene is sent at any
    time.
    """
    with running_service(folder / "data", workers=workers, extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        with sender.sending_in_turn(scenes_of(media), pause=pause) as streams:
            killed = _kill(service, kills, workers, seconds_between)
        _wait_until_settled(service, streams, kills)
    return sender, read_facts(folder / "data"), killed, streams


def _kill(service: RunningService, kills: int, workers: int, seconds_between: float) -> list[str]:
    """Kill processes, each once all parts run again; return the parts that they were of.

    Ray takes long to start. Half of the kills wait until something was scored after the one before,
    so that some hit it at work and some while it starts.
    """
    killed, choose, dice = [], random_victim(7), random.Random(8)
    parts = {"web", "driver", "delivery"}
    for _ in range(kills):
        time.sleep(min(dice.expovariate(1 / seconds_between), 3 * seconds_between))
        service.wait_for(lambda: parts <= set(service.processes().values()), 60, "restart")
        if workers and dice.random() < 0.5:
            _wait_for_work(service, time.time(), 3 * RAY_SECONDS)
        killed.append(service.kill(choose) or "nothing")
    return killed


def _wait_until_settled(
    service: RunningService, streams: Mapping[str, Sequence[Path]], kills: int
) -> None:
    seconds = SETTLE_SECONDS + 2 * kills
    service.wait_for(lambda: is_settled(service, streams), seconds, "settled")


def _wait_for_work(service: RunningService, since: float, seconds: float) -> None:
    """Return once a segment got its verdict after ``since``, or after some seconds without one."""
    deadline = time.monotonic() + seconds
    while latest_verdict(service.data) < since and time.monotonic() < deadline:
        time.sleep(0.2)


def scenes_of(media: Path) -> dict[str, Sequence[Path]]:
    return {
        scene.name: sorted(scene.glob("*.ts"))
        for scene in sorted(media.iterdir())
        if scene.is_dir()
    }


def streams_of(media: Path, *, rounds: int) -> Mapping[str, Sequence[Path]]:
    return {
        f"{scene}-{number}": paths
        for scene, paths in scenes_of(media).items()
        for number in range(rounds)
    }


def undisturbed(folder: Path, streams: Mapping[str, Sequence[Path]]) -> Facts:
    with running_service(folder / "quiet", extra=RULES_OFF) as service:
        for thread in Sender(service).send_all(streams):
            thread.join()
        seconds = SETTLE_SECONDS + 5 * len(streams)
        service.wait_for(lambda: is_settled(service, streams), seconds, "settled")
    return read_facts(folder / "quiet")


def disordered(streams: Mapping[str, Sequence[Path]]) -> dict[str, list[int]]:
    """Return the order in which each stream is sent: one segment is left out, one comes after three
    that follow it."""
    orders = {}
    for number, (name, paths) in enumerate(sorted(streams.items())):
        order = list(range(len(paths)))
        del order[1 + number % (len(order) - 2)]
        order.insert(3, order.pop(0 if number % 2 else 1))
        orders[name] = order
    return orders


def kill_with_rules_on(
    folder: Path, media: Path, *, kills: int, workers: int, seconds_between: float = 2.0
) -> tuple[Sender, Facts, list[str]]:
    """Kill processes while disordered streams are sent to a service with short age, stall and grace
    rules, whose results depend on the moment; return what the journal says in the end."""
    streams = streams_of(media, rounds=max(1, kills // 10))
    pause = kills * (seconds_between + RAY_SECONDS * (workers > 0)) / SEGMENTS
    with running_service(folder / "data", workers=workers, extra=RULES_ON) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        threads = sender.send_all(streams, pause=pause, orders=disordered(streams))
        killed = _kill(service, kills, workers, seconds_between)
        for thread in threads:
            thread.join()
        _wait_until_settled(service, streams, kills)
    return sender, read_facts(folder / "data"), killed


def check_invariants(sender: Sender, found: Facts) -> Counter[str]:
    """Check that every acknowledged segment has one verdict, which was counted once and is what its
    stream's log says; return the number of segments by verdict."""
    assert sender.acknowledged == found.verdicts.keys()
    verdicts = Counter(str(one) for one in found.verdicts.values())
    assert verdicts.keys() <= {"scored", "late", "shed"}
    assert found.counted == verdicts
    assert found.broken_logs() == []
    accounts = found.accounts()
    for key, verdict in found.verdicts.items():
        # what came after the end of its stream is late without a turn
        wanted = ([verdict], []) if verdict == "late" else ([verdict],)
        assert accounts.get(key, []) in wanted, (key, verdict, accounts.get(key))
    missing = [piece for *_, piece in found.evidence if piece not in found.objects]
    assert missing == []
    return verdicts


def check(sender: Sender, found: Facts, expected: Facts) -> None:
    """Compare a journal after kills with one of an undisturbed run."""
    assert sender.acknowledged <= found.verdicts.keys()
    assert set(found.verdicts.values()) == {"scored"}
    assert found.scored_twice() == []
    assert found.broken_logs() == []
    assert found.events == expected.events
    assert found.revisions == expected.revisions
    missing = [piece for *_, piece in found.evidence if piece not in found.objects]
    assert missing == []
    assert {one[:3] for one in found.evidence} == {one[:3] for one in expected.evidence}


def test_processes_that_are_killed_lose_nothing_and_change_no_incident(
    tmp_path: Path, demo_media: Path
) -> None:
    sender, found, killed, streams = kill_under_load(tmp_path, demo_media, kills=KILLS, workers=0)
    assert {"web", "driver", "delivery", "child"} <= set(killed)
    check(sender, found, undisturbed(tmp_path, streams))


def test_age_stall_and_grace_rules_leave_one_verdict_to_each_segment_when_processes_are_killed(
    tmp_path: Path, demo_media: Path
) -> None:
    sender, found, _ = kill_with_rules_on(tmp_path, demo_media, kills=5, workers=0)
    verdicts = check_invariants(sender, found)
    assert verdicts["scored"]
    assert verdicts["late"]


def kill_everything(
    folder: Path, media: Path, *, times: int
) -> tuple[Sender, Facts, Sequence[str]]:
    """Send streams to a service of which everything is killed at once, again and again; the sender
    then begins anew. Return what the journal says in the end."""
    streams = streams_of(media, rounds=1)
    data, dice = folder / "data", random.Random(3)
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(times):
        with running_service(data, extra=RULES_OFF) as service:
            service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
            sender = Sender(service)
            threads = sender.send_all(streams, pause=dice.uniform(0.1, 1.5))
            threads[0].join(dice.uniform(0.5, 4.0))
            service.kill_all()
            sender.stopped.set()
            for thread in threads:
                thread.join()
            acknowledged |= sender.acknowledged
    assert acknowledged
    with running_service(data, extra=RULES_OFF) as service:
        sender = Sender(service)
        for thread in sender.send_all(streams):
            thread.join()
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
    sender.acknowledged |= acknowledged
    return sender, read_facts(data), tuple(streams)


def test_everything_killed_at_once_starts_again_with_all_that_was_acknowledged(
    tmp_path: Path, demo_media: Path
) -> None:
    sender, found, _ = kill_everything(tmp_path, demo_media, times=2)
    check(sender, found, undisturbed(tmp_path, streams_of(demo_media, rounds=1)))


@pytest.mark.ray
@pytest.mark.slow
def test_ray_that_is_killed_in_parts_is_started_again_and_changes_no_incident(
    tmp_path: Path, demo_media: Path
) -> None:
    """One kill each of an actor, the raylet and Ray's control process."""
    streams = streams_of(demo_media, rounds=1)
    with running_service(tmp_path / "data", workers=2, extra=RULES_OFF) as service:
        service.wait_for(service.is_ready, SETTLE_SECONDS, "ready")
        sender = Sender(service)
        threads = sender.send_all(streams, pause=8.0)
        for program in ("ray::_RemoteDecode", "raylet", "gcs_server"):
            service.wait_for(lambda p=program: service.kill_program(p), SETTLE_SECONDS, "kill")  # type: ignore[misc]
            threads[0].join(15)
        for thread in threads:
            thread.join()
        service.wait_for(lambda: is_settled(service, streams), SETTLE_SECONDS, "settled")
    check(sender, read_facts(tmp_path / "data"), undisturbed(tmp_path, streams))
