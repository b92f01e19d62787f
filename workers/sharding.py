"""Which streams travel together: every stream belongs to one of a fixed number of shards."""

from __future__ import annotations

import hashlib

from scanner.types import StreamId

__all__ = ["shard_of"]


def shard_of(stream_id: StreamId, shards: int) -> int:
    """The stream's shard, from 0: the same on every machine and in every run, which ``hash`` is
    not.

    Raises:
        ValueError: fewer than one shard.

    >>> shard_of(StreamId("channel-7"), 16)
    9
    """
    if shards < 1:
        raise ValueError(f"shards must be 1 or more, got {shards}")
    name = stream_id.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % shards
