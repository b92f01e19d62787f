"""Whoever decodes large pictures asks once, before the first one."""

from __future__ import annotations

import pytest

from scanner.media.large import LARGE_PIXELS, asking, claim_memory
from tests.media.build import encode
from tests.media.decoding import decode_all


def test_one_task_asks_once_and_only_for_large_pictures() -> None:
    asked: list[str] = []

    claim_memory(LARGE_PIXELS + 1)
    with asking(lambda: asked.append("first")):
        claim_memory(LARGE_PIXELS)
        assert asked == []
        claim_memory(LARGE_PIXELS + 1)
        claim_memory(LARGE_PIXELS + 1)
    with asking(lambda: asked.append("second")):
        claim_memory(LARGE_PIXELS + 1)
    claim_memory(LARGE_PIXELS + 1)

    assert asked == ["first", "second"]


@pytest.mark.parametrize(("size", "asks"), [((128, 96), 0), ((2560, 1440), 1)])
def test_a_video_asks_before_it_is_decoded(size: tuple[int, int], asks: int) -> None:
    asked: list[str] = []

    with asking(lambda: asked.append("asked")):
        decode_all(encode(size=size, frames=4))

    assert len(asked) == asks
