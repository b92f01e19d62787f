"""A process that ends starts again, later with each time that it ends soon."""

from __future__ import annotations

from scanner.supervisor.plan import (
    FIRST_DELAY,
    LONGEST_DELAY,
    STEADY_SECONDS,
    ProcessPlan,
    after_end,
    after_start,
    is_due,
)

PLAN = ProcessPlan(name="web")


def run_for(plan: ProcessPlan, seconds: float) -> ProcessPlan:
    """Return the plan after one more start and end."""
    return after_end(after_start(plan, plan.next_start), plan.next_start + seconds)


def delay(plan: ProcessPlan, seconds: float) -> float:
    after = run_for(plan, seconds)
    return after.next_start - plan.next_start - seconds


def test_a_new_process_starts_at_once() -> None:
    assert is_due(PLAN, 0.0)


def test_a_running_process_does_not_start_again() -> None:
    assert not is_due(after_start(PLAN, 0.0), 1000.0)


def test_the_delay_doubles_with_each_end_that_follows_soon() -> None:
    delays = []
    plan = PLAN
    for _ in range(4):
        delays.append(round(delay(plan, 1.0), 6))
        plan = run_for(plan, 1.0)
    assert delays == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]


def test_the_delay_has_a_limit() -> None:
    plan = PLAN
    for _ in range(50):
        plan = run_for(plan, 1.0)
    assert round(delay(plan, 1.0), 6) == LONGEST_DELAY


def test_a_process_that_ran_long_starts_soon_again() -> None:
    plan = PLAN
    for _ in range(10):
        plan = run_for(plan, 1.0)
    assert round(delay(plan, STEADY_SECONDS), 6) == FIRST_DELAY


def test_a_process_waits_for_its_delay() -> None:
    plan = run_for(PLAN, 1.0)
    assert not is_due(plan, plan.next_start - 0.01)
    assert is_due(plan, plan.next_start)
