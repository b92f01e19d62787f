"""Real media in the sandbox: libraries that load something late or start threads fail here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.sandbox.sandbox import Sandbox
from scanner.types import FrameSpec
from tests.corpus.checks import decode_sample
from tests.corpus.names import STILL, VIDEO

SPEC = FrameSpec(width=64, height=48)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Sandbox]:
    with closing(Sandbox()) as sandbox:
        yield sandbox


def assert_equal(inside: DecodedWindow, outside: DecodedWindow) -> None:
    assert (inside.index, inside.times, inside.begins, inside.unseen, inside.info, inside.last) == (
        outside.index,
        outside.times,
        outside.begins,
        outside.unseen,
        outside.info,
        outside.last,
    )
    for here, there in zip(inside.samples, outside.samples, strict=True):
        assert (here.at, here.pts, here.keyframe) == (there.at, there.pts, there.keyframe)
        np.testing.assert_array_equal(here.images[SPEC], there.images[SPEC])


@pytest.mark.parametrize("name", [*VIDEO, *STILL])
def test_a_sample_decodes_in_the_sandbox_as_it_does_outside_of_it(
    name: str, decoder: Sandbox, sample_media: Callable[[str], SampleFile]
) -> None:
    sample = sample_media(name)
    request = DecodeRequest(specs=(SPEC,))

    inside = list(decoder.decode(sample.path, request, name=name, init=sample.init))

    for ours, theirs in zip(inside, decode_sample(sample, specs=(SPEC,)), strict=True):
        assert_equal(ours, theirs)
