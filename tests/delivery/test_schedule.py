"""When something that failed is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.schedule import (
    EVIDENCE_DELAYS,
    WEBHOOK_DELAYS,
    next_try,
    pause_after,
    spread,
)


def test_a_webhook_is_tried_ten_times_within_75_hours_and_35_minutes() -> None:
    assert len(WEBHOOK_DELAYS) + 1 == 10
    assert sum(WEBHOOK_DELAYS) == 75 * 3600 + 35 * 60 + 5


@pytest.mark.parametrize("delays", [WEBHOOK_DELAYS, EVIDENCE_DELAYS])
def test_tries_end_and_their_delays_never_shrink(delays: tuple[float, ...]) -> None:
    assert list(delays) == sorted(delays)
    assert next_try(len(delays), delays) == delays[-1]
    assert next_try(len(delays) + 1, delays) is None


def test_a_receiver_is_never_left_alone_for_longer_than_a_minute() -> None:
    assert max(pause_after(failures) for failures in range(1, 1000)) == 60.0


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_jitter_changes_a_delay_by_a_tenth_at_most(seconds: float, draw: float) -> None:
    assert 0.899 * seconds <= spread(seconds, draw) <= 1.101 * seconds
