"""Segments of an encoder whose playlist fails, is too large, or comes late."""

from __future__ import annotations

import pytest

from tests.ingest.build import Channel, hls


def without_playlist(channel: Channel, first: int, last: int, content: str = "") -> None:
    """Push segments of 2 s whose playlist does not come."""
    for number in range(first, last + 1):
        channel.put(f"index{number}.ts", content and f"{content} {number}")
        channel.wait(2.0)


def test_segments_are_placed_by_arrival_while_their_playlist_has_stopped() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    without_playlist(channel, 3, 9)
    assert len(channel.timeline) == 3
    without_playlist(channel, 10, 20)
    assert len(channel.timeline) >= 13
    channel.wait(15.0)
    assert channel.timeline == [f"index{number}.ts" for number in range(21)]


@pytest.mark.parametrize("window", [3, 25])
@pytest.mark.parametrize("last", [19, 14])
def test_a_playlist_that_returns_repeats_and_loses_nothing(window: int, last: int) -> None:
    """``last``: the last segment that its first version knows."""
    channel = Channel()
    hls(channel, 0, 2)
    without_playlist(channel, 3, 20)
    for newest in (last, 21, 22):
        if newest > 20:
            channel.put(f"index{newest}.ts")
        first = max(0, newest + 1 - window)
        names = [f"index{number}.ts" for number in range(first, newest + 1)]
        channel.publish(*names, first=first)
        channel.wait(2.0)
    channel.wait(15.0)
    assert channel.timeline == [f"index{number}.ts" for number in range(23)]


def test_a_segment_that_a_playlist_names_when_it_returns_is_lost_if_it_never_came() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    without_playlist(channel, 4, 20)
    channel.publish(*[f"index{number}.ts" for number in range(21)])
    channel.wait(3.0)
    assert sorted(channel.timeline) == sorted(
        ["-", *(f"index{number}.ts" for number in range(21) if number != 3)]
    )


def test_an_encoder_that_restarts_while_its_playlist_has_stopped_is_placed_once() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    without_playlist(channel, 3, 5)
    without_playlist(channel, 0, 9, "again")
    assert "|index0.ts" in channel.timeline
    channel.publish(*[f"index{number}.ts" for number in range(10)])
    channel.wait(3.0)
    plain = [name.removeprefix("|") for name in channel.timeline]
    assert plain == [f"index{number}.ts" for number in [*range(6), *range(10)]]
