"""Frames, windows and gaps are right for any clock, GOPs, B-frames, windows and sampling."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import accumulate, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from samples.encoded import derive_facts
from samples.encoding import VideoRecipe, encode_file
from scanner.media.sampling import Sampling
from tests.corpus.checks import EVERYTHING, check_frames, check_holes, check_windows, decode_source

CLOCKS = {
    "mpegts": Fraction(1, 90_000),
    "mp4": Fraction(1, 90_000),
    "mov": Fraction(1, 12_800),
    "matroska": Fraction(1, 1000),
}
WRAP = 1 << 33
STARTS = {
    "mpegts": [400_000, 900_000, WRAP - 200_000, WRAP - 40_000],
    "mp4": [0],
    "mov": [0],
    "matroska": [0, 5000],
}
"""Ticks at which a clock may begin."""


@st.composite
def recipes(draw: st.DrawFn) -> VideoRecipe:
    """Draw a small video with frames 10 ms to 1.5 s apart, evenly or not."""
    container = draw(st.sampled_from(sorted(CLOCKS)))
    step = st.integers(
        int(Fraction(1, 100) / CLOCKS[container]), int(Fraction(3, 2) / CLOCKS[container])
    )
    count = draw(st.integers(1, 30))
    steps = draw(
        st.one_of(
            st.lists(step, min_size=count - 1, max_size=count - 1),
            step.map(lambda each: [each] * (count - 1)),
        )
    )
    return VideoRecipe(
        container=container,
        width=128,
        height=96,
        time_base=CLOCKS[container],
        ticks=tuple(accumulate(steps, initial=draw(st.sampled_from(STARTS[container])))),
        gop=draw(st.integers(1, 20)),
        b_frames=draw(st.integers(0, 3)),
    )


seconds = st.fractions(Fraction(1, 10), 5, max_denominator=20)
samplings = st.one_of(
    st.tuples(seconds, seconds).map(lambda gaps: Sampling(min_gap=min(gaps), max_gap=max(gaps))),
    st.sampled_from([Sampling(strategy="keyframes"), EVERYTHING]),
)


def can_keep_its_gaps(recipe: VideoRecipe, sampling: Sampling) -> bool:
    """Return whether any frame has another one between ``min_gap`` and ``max_gap`` after it."""
    steps = [(b - a) * recipe.time_base for a, b in pairwise(recipe.ticks)]
    longest = max([*steps, 1 / recipe.rate])
    return (
        sampling.strategy == "adaptive"
        and recipe.b_frames == 0
        and longest <= sampling.max_gap - sampling.min_gap
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(recipe=recipes(), sampling=samplings, window=st.one_of(st.none(), seconds))
def test_frames_windows_and_gaps_are_right_for_any_video(
    recipe: VideoRecipe, sampling: Sampling, window: Fraction | None
) -> None:
    modulus = WRAP if recipe.container == "mpegts" else 1 << 64
    facts = derive_facts(recipe, pts=tuple(tick % modulus for tick in recipe.ticks))

    windows = decode_source(
        io.BytesIO(encode_file(recipe)), "any", sampling=sampling, window=window
    )

    check_frames(facts, windows)
    check_windows(facts, windows, window)
    if can_keep_its_gaps(recipe, sampling):
        check_holes(facts, windows, sampling)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(recipe=recipes(), window=seconds, data=st.data())
def test_decoding_of_any_video_can_be_resumed_at_any_window(
    recipe: VideoRecipe, window: Fraction, data: st.DataObject
) -> None:
    source = encode_file(recipe)
    whole = decode_source(io.BytesIO(source), "any", window=window)
    first = data.draw(st.integers(0, len(whole)))

    rest = decode_source(io.BytesIO(source), "any", window=window, first_window=first)

    assert [(w.index, w.times, w.unseen, [s.pts for s in w.samples]) for w in rest] == [
        (w.index, w.times, w.unseen, [s.pts for s in w.samples]) for w in whole[first:]
    ]
