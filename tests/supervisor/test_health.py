"""A process without liveness reports is found."""

from __future__ import annotations

import pytest

from scanner.supervisor.health import HealthCheck

NOBODY = ("127.0.0.1", 9)
"""An address at which nothing answers."""


class Signs(dict[str, int]):
    """The liveness reports of processes."""

    def show(self, process: str) -> None:
        self[process] = self.get(process, 0) + 1

    def __call__(self) -> Signs:
        return self


@pytest.fixture
def signs() -> Signs:
    return Signs()


@pytest.fixture
def health(signs: Signs) -> HealthCheck:
    return HealthCheck(NOBODY, signs)


def test_a_process_whose_signs_stop_is_silent_after_30_seconds(
    health: HealthCheck, signs: Signs
) -> None:
    health.began("driver", 0.0)
    signs.show("driver")
    assert health.silent_processes(10.0) == ()
    assert health.silent_processes(40.0) == ()
    assert health.silent_processes(45.0) == ("driver",)


def test_a_process_that_starts_has_90_seconds(health: HealthCheck, signs: Signs) -> None:
    health.began("driver", 0.0)
    assert health.silent_processes(90.0) == ()
    assert health.silent_processes(96.0) == ("driver",)


def test_a_process_that_was_not_well_in_time_has_twice_the_time_at_its_next_start(
    health: HealthCheck, signs: Signs
) -> None:
    health.began("driver", 0.0)
    assert health.silent_processes(96.0) == ("driver",)
    health.began("driver", 100.0)
    assert health.silent_processes(275.0) == ()
    assert health.silent_processes(285.0) == ("driver",)
    for _ in range(4):
        health.began("driver", 9000.0)
        health.began("driver", 1000.0)
    assert health.silent_processes(1000.0 + 715.0) == ()
    assert health.silent_processes(1000.0 + 725.0) == ("driver",)


def test_the_last_sign_of_a_process_says_nothing_of_the_one_that_replaces_it(
    health: HealthCheck, signs: Signs
) -> None:
    health.began("driver", 0.0)
    signs.show("driver")
    assert health.silent_processes(10.0) == ()
    signs.show("driver")
    health.began("driver", 12.0)
    assert health.silent_processes(15.0) == ()
    assert health.silent_processes(60.0) == ()
    assert health.silent_processes(105.0) == ("driver",)


def test_a_process_that_was_well_has_the_usual_time_at_its_next_start(
    health: HealthCheck, signs: Signs
) -> None:
    health.began("driver", 0.0)
    health.began("driver", 100.0)
    signs.show("driver")
    assert health.silent_processes(110.0) == ()
    health.began("driver", 200.0)
    assert health.silent_processes(285.0) == ()
    assert health.silent_processes(296.0) == ("driver",)


def test_a_web_process_that_does_not_answer_is_silent(health: HealthCheck, signs: Signs) -> None:
    health.began("web", 0.0)
    assert health.silent_processes(96.0) == ("web",)
