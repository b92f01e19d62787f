from __future__ import annotations

from scanner.types import StreamId
from tests.workers.crew_fakes import scripted
from workers.leases import MemoryLeases, Work


def waiting(ticket: int, shard: int = 0, stream: str = "s", *, suspect: bool = False) -> Work:
    return Work(ticket=ticket, job=scripted(stream, ticket), shard=shard, suspect=suspect)


def tickets(leases: MemoryLeases, size: int = 16) -> list[int] | None:
    lease = leases.take("anna", size=size, until=10)
    return None if lease is None else [work.ticket for work in lease.work]


def test_a_lease_holds_work_of_one_shard_the_oldest_first() -> None:
    leases = MemoryLeases()
    for ticket, shard in enumerate([1, 0, 1, 0, 1]):
        leases.add(waiting(ticket, shard))

    assert tickets(leases, size=2) == [0, 2]
    assert tickets(leases) == [1, 3]
    assert tickets(leases) == [4]
    assert tickets(leases) is None


def test_a_suspect_travels_alone() -> None:
    leases = MemoryLeases()
    for work in (waiting(0), waiting(1, suspect=True), waiting(2)):
        leases.add(work)

    assert tickets(leases) == [0, 2]
    assert tickets(leases) == [1]


def test_the_most_urgent_stream_goes_first() -> None:
    leases = MemoryLeases(urgency=lambda stream: stream == StreamId("fire"))
    leases.add(waiting(0, 0, "calm"))
    leases.add(waiting(1, 1, "fire"))

    assert tickets(leases) == [1]


def test_a_lost_lease_changes_nothing_any_more() -> None:
    leases = MemoryLeases()
    leases.add(waiting(0))
    lost = leases.take("anna", size=1, until=10)
    assert lost is not None
    leases.release(lost, lost.work)
    second = leases.take("bert", size=1, until=20)
    assert second is not None

    leases.release(lost, lost.work)

    assert leases.waiting() == 0
    assert not leases.settle(lost, 0)
    assert not leases.renew(lost, until=99)
    assert leases.holds(second, 0)
    assert second.number > lost.number


def test_a_lease_is_overdue_from_its_deadline_on() -> None:
    leases = MemoryLeases()
    leases.add(waiting(0))
    lease = leases.take("anna", size=1, until=10)
    assert lease is not None

    assert leases.overdue(9.9) == ()
    assert leases.overdue(10) == (lease,)
    assert leases.renew(lease, until=20)
    assert leases.overdue(10) == ()


def test_a_lease_is_over_with_its_last_piece() -> None:
    leases = MemoryLeases()
    leases.add(waiting(0))
    leases.add(waiting(1))
    lease = leases.take("anna", size=2, until=10)
    assert lease is not None

    assert leases.settle(lease, 0)
    assert leases.renew(lease, until=20)
    assert leases.settle(lease, 1)
    assert not leases.renew(lease, until=30)
    assert not leases.settle(lease, 1)
