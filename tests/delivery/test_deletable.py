"""Which media nothing needs any more: the rule by itself."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.retention import deletable
from scanner.store.retention import (
    HeldIncident,
    KeptSegment,
    StreamMedia,
)
from tests.delivery.rows import (
    incident,
)

NOW, AGE, REACH = 1e6, 600.0, 19.0


Row = tuple[int, str | None, float]
"""Sequence, verdict and age of a segment."""


def row(sequence: int, verdict: str | None = "scored", age: float = 700.0) -> Row:
    return sequence, verdict, age


def media(
    *rows: Row,
    clock: float | None = 1000.0,
    finished: bool = False,
    silent: float = 0.0,
    held: tuple[HeldIncident, ...] = (),
    needed_from: int | None = None,
) -> StreamMedia:
    verdicts = [verdict for _, verdict, _ in rows]
    kept = [
        KeptSegment(
            sequence=sequence,
            verdict=verdict,
            span=(sequence * 4.0, sequence * 4.0 + 4) if verdict == "scored" else None,
            received_at=NOW - age,
            is_followed=None if place + 1 == len(rows) else verdicts[place + 1] is not None,
        )
        for place, (sequence, verdict, age) in enumerate(rows)
        if verdict is not None
    ]
    return StreamMedia(
        stream_id="s",
        is_finished=finished,
        last_arrival=NOW - silent,
        clock=clock,
        is_waiting=None in verdicts,
        needed_from=len(rows) if needed_from is None else needed_from,
        segments=tuple(kept),
        incidents=held,
    )


def chosen(stream: StreamMedia) -> list[int]:
    return deletable(stream, now=NOW, reach=REACH, segment_seconds=AGE)


def held(start: float, end: float | None = None) -> HeldIncident:
    return HeldIncident(incident=incident(start=start, end=end).to_json(), is_open=end is None)


def test_the_last_segment_of_a_live_stream_stays_for_the_decoding_of_the_next() -> None:
    assert chosen(media(row(0), row(1))) == [0]
    assert chosen(media(row(0), row(1), finished=True)) == [0, 1]


def test_a_segment_stays_while_the_one_after_it_waits() -> None:
    assert chosen(media(row(0), row(1, verdict=None), row(2))) == []


def test_segments_stay_from_the_one_on_in_which_decoding_of_the_next_begins() -> None:
    rows = [row(number) for number in range(6)]
    assert chosen(media(*rows, needed_from=3)) == [0, 1, 2]
    assert chosen(media(*rows, needed_from=3, finished=True)) == [0, 1, 2, 3, 4, 5]


def test_a_segment_stays_while_an_incident_may_still_begin_in_it() -> None:
    rows = [row(number) for number in range(10)]
    assert chosen(media(*rows, clock=40.0)) == [0, 1, 2, 3, 4]
    assert chosen(media(*rows, clock=40.0, finished=True)) == list(range(10))


def test_a_segment_stays_until_it_is_old_enough() -> None:
    assert chosen(media(row(0, age=599), row(1, age=599))) == []


def test_media_of_an_incident_stay_while_it_is_open_or_its_evidence_is_due() -> None:
    rows = [row(number) for number in range(100)]
    assert chosen(media(*rows, finished=True, held=(held(200.0),))) == list(range(30))
    left = chosen(media(*rows, finished=True, held=(held(200.0, 220.0),)))
    assert left == [*range(30), *range(70, 100)]


def test_media_that_no_clip_can_show_do_not_wait_for_the_clock() -> None:
    rows = [row(0, verdict="undecodable"), row(1, verdict="late"), row(2, verdict="shed")]
    assert chosen(media(*rows, clock=None)) == [0, 1]


def test_a_stream_without_an_end_that_is_silent_for_an_hour_is_final() -> None:
    assert chosen(media(row(0), clock=4.0, silent=3000)) == []
    assert chosen(media(row(0), clock=4.0, silent=3700)) == [0]
    assert chosen(media(row(0), row(1, verdict=None), clock=4.0, silent=3700)) == []


segment_rows = st.lists(
    st.tuples(
        st.sampled_from(["scored", "late", "undecodable", None]), st.floats(0, 2000, width=32)
    ),
    max_size=30,
).map(lambda rows: [row(n, verdict, age) for n, (verdict, age) in enumerate(rows)])
incident_spans = st.tuples(st.integers(0, 120), st.none() | st.integers(0, 60)).map(
    lambda pair: held(pair[0], None if pair[1] is None else pair[0] + pair[1])
)


@given(segment_rows, st.floats(0, 200), st.booleans(), st.lists(incident_spans, max_size=3))
def test_what_is_needed_is_never_deleted(
    rows: list[Row], clock: float, finished: bool, holds: list[HeldIncident]
) -> None:
    stream = media(*rows, clock=clock, finished=finished, held=tuple(holds))
    for sequence in chosen(stream):
        _, verdict, age = rows[sequence]
        assert verdict is not None
        assert age > AGE
        assert finished or sequence + 1 < len(rows)
        if sequence + 1 < len(rows):
            assert rows[sequence + 1][1] is not None
        if verdict == "scored":
            begins, ends = sequence * 4.0, sequence * 4.0 + 4
            assert finished or ends + REACH < clock
            for hold in holds:
                since = Fraction(*hold.incident["start"]) - Fraction(REACH)
                end = hold.incident["end"]
                until = None if end is None else Fraction(*end) + 5
                assert ends <= since or (until is not None and begins >= until)


@given(segment_rows, st.floats(0, 200), st.lists(incident_spans, max_size=2))
def test_more_time_never_keeps_what_could_be_deleted(
    rows: list[Row], clock: float, holds: list[HeldIncident]
) -> None:
    stream = media(*rows, clock=clock, held=tuple(holds))
    later = replace(stream, clock=clock + 50, is_finished=True, incidents=())
    assert set(chosen(stream)) <= set(chosen(later))
