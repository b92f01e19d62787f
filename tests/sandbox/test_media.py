"""Real media behind the walls: what a library loads late, or a thread that it starts, would show
here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from samples.facts import Sample
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec
from tests.corpus.names import STILL, VIDEO
from tests.corpus.seen import look

SPEC = FrameSpec(width=64, height=48)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Sandbox]:
    with closing(Sandbox()) as sandbox:
        yield sandbox


def assert_equal(behind: Decoded, before: Decoded) -> None:
    assert (behind.index, behind.times, behind.begins, behind.unseen, behind.info, behind.last) == (
        before.index,
        before.times,
        before.begins,
        before.unseen,
        before.info,
        before.last,
    )
    for here, there in zip(behind.samples, before.samples, strict=True):
        assert (here.at, here.pts, here.keyframe) == (there.at, there.pts, there.keyframe)
        np.testing.assert_array_equal(here.images[SPEC], there.images[SPEC])


@pytest.mark.parametrize("name", [*VIDEO, *STILL])
def test_a_sample_decodes_behind_the_walls_as_it_does_before_them(
    name: str, decoder: Sandbox, sample_media: Callable[[str], Sample]
) -> None:
    sample = sample_media(name)
    request = DecodeRequest(specs=(SPEC,))

    behind = list(decoder.decode(sample.path, request, name=name, init=sample.init))

    for ours, theirs in zip(behind, look(sample, specs=(SPEC,)), strict=True):
        assert_equal(ours, theirs)
