from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.types import StreamId
from workers.sharding import shard_of


@given(st.text(), st.integers(1, 1000))
def test_a_shard_lies_within_the_number_of_shards(stream: str, shards: int) -> None:
    stream = stream.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")

    assert 0 <= shard_of(StreamId(stream), shards) < shards


def test_a_stream_has_the_same_shard_in_every_process() -> None:
    code = "from workers.sharding import shard_of; print([shard_of(f'stream-{i}', 16) for i in range(20)])"

    printed = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }

    assert printed == {f"{[shard_of(StreamId(f'stream-{i}'), 16) for i in range(20)]}\n"}


def test_streams_spread_over_the_shards() -> None:
    counts = Counter(shard_of(StreamId(f"stream-{i}"), 16) for i in range(1600))

    assert len(counts) == 16
    assert max(counts.values()) < 200


def test_no_shards_are_refused() -> None:
    with pytest.raises(ValueError, match="shards must be 1 or more, got 0"):
        shard_of(StreamId("s"), 0)
