"""Whatever encoders push, every object gets one outcome and every sequence one place."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.ingest.decisions import ObjectSettled, PlaceLost, PlaceSegment, PublicationBegan
from scanner.ingest.inputs import ListedSegment, Listing
from scanner.ingest.point import PublishingPoint
from tests.ingest.build import Channel

PATHS = st.sampled_from([f"{track}/s{number}.m4s" for track in "ab" for number in range(5)])
ENTRIES = st.builds(
    ListedSegment,
    path=PATHS,
    duration=st.one_of(st.none(), st.fractions(min_value=0, max_value=9, max_denominator=90000)),
    discontinuity=st.booleans(),
    gap=st.booleans(),
    init=st.one_of(st.none(), st.sampled_from(["a/init.mp4", "b/init.mp4"])),
)
LISTINGS = st.builds(
    Listing,
    rendition=st.sampled_from(["a/i.m3u8", "b/i.m3u8"]),
    first=st.integers(0, 12),
    entries=st.lists(ENTRIES, max_size=5).map(tuple),
    target=st.one_of(st.none(), st.fractions(min_value=1, max_value=6)),
    ended=st.sampled_from([False, False, False, True]),
    discontinuity_sequence=st.one_of(st.none(), st.integers(0, 2)),
)
SEGMENT = st.tuples(
    st.just("segment"),
    PATHS,
    st.sampled_from(["one", "two"]),
    st.fixed_dictionaries(
        {
            "needs_init": st.booleans(),
            "is_last": st.sampled_from([False, False, True]),
            "problem": st.sampled_from([None, None, "unselected", "limit_bytes"]),
        }
    ),
)
STEPS = st.one_of(
    SEGMENT,
    st.tuples(st.just("init"), st.sampled_from(["a/init.mp4", "b/init.mp4"])),
    st.tuples(st.just("list"), LISTINGS),
    st.tuples(st.just("offer"), st.sampled_from([("a/i.m3u8",), ("b/i.m3u8", "a/i.m3u8")])),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 7.0, 20.0, 90.0])),
)


def run(channel: Channel, steps: list[tuple[object, ...]]) -> None:
    for kind, *rest in steps:
        if kind == "segment":
            path, content, facts = rest
            channel.put(path, content, **facts)
        elif kind == "init":
            channel.put_init(*rest)
        elif kind == "list":
            channel.push(*rest)
        elif kind == "offer":
            channel.push(offered=rest[0])
        else:
            channel.now += rest[0]
            channel.wait(0.25)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEPS, max_size=40))
def test_every_object_has_one_outcome_and_every_sequence_one_place(
    steps: list[tuple[object, ...]],
) -> None:
    channel = Channel()
    run(channel, steps)
    channel.now += 20.0
    channel.wait(1.0)
    channel.now += 100.0
    channel.wait(1.0)
    assert channel.point.phase in ("idle", "ended")
    outcomes = Counter(
        one.number for one in channel.decided if isinstance(one, PlaceSegment | ObjectSettled)
    )
    assert outcomes == Counter(range(1, channel.number + 1))
    sequences: list[list[int]] = []
    for one in channel.decided:
        if isinstance(one, PublicationBegan):
            sequences.append([])
        if isinstance(one, PlaceSegment | PlaceLost):
            sequences[-1].append(one.sequence)
    assert all(sorted(found) == list(range(len(found))) for found in sequences)
    last = [None if not found else len(found) - 1 for found in sequences]
    assert [one.last_sequence for one in channel.ends] == last


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_a_point_survives_its_json_form(steps: list[tuple[object, ...]]) -> None:
    channel = Channel()
    run(channel, steps)
    assert PublishingPoint.from_json(channel.point.to_json()) == channel.point
