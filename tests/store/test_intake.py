"""A delivery of a sender is in the journal once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scanner.store.database import Journal
from scanner.store.intake import Acceptance, Intake, NewInit, NewSegment, NewStream

STREAM = NewStream(stream_id="s", channel="c")
SEGMENT = NewSegment(stream=STREAM, sequence=0, object="segments/a", bytes=3, sha256="00" * 32)
INIT = NewInit(stream=STREAM, init_id="i", object="inits/a", bytes=3, sha256="11" * 32)


def add(journal: Journal, segment: NewSegment) -> Acceptance:
    with journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=journal.shard_count)
        return intake.add_segment(segment)


def end(journal: Journal, last_sequence: int | None) -> Acceptance:
    with journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=journal.shard_count)
        return intake.end_stream(STREAM, last_sequence=last_sequence, reason=None)


def test_a_segment_is_accepted_once_and_then_the_same(journal: Journal) -> None:
    assert add(journal, SEGMENT) == "accepted"
    assert add(journal, SEGMENT) == "same"


def test_other_bytes_or_other_metadata_of_a_known_sequence_conflict(journal: Journal) -> None:
    add(journal, SEGMENT)
    assert add(journal, replace(SEGMENT, sha256="ff" * 32)) == "other_content"
    assert add(journal, replace(SEGMENT, duration=Fraction(4))) == "other_metadata"


def test_a_segment_of_another_channels_stream_is_refused(journal: Journal) -> None:
    add(journal, SEGMENT)
    other = replace(SEGMENT, stream=replace(STREAM, channel="other"), sequence=1)
    assert add(journal, other) == "wrong_channel"


def test_a_segment_that_names_an_unknown_init_is_refused_until_the_init_is_there(
    journal: Journal,
) -> None:
    segment = replace(SEGMENT, init_id="i")
    assert add(journal, segment) == "init_unknown"
    with journal.write() as connection:
        intake = Intake(connection, now=0.0, shard_count=journal.shard_count)
        assert intake.add_init(INIT) == "accepted"
        assert intake.add_init(INIT) == "same"
        assert intake.add_init(replace(INIT, sha256="22" * 32)) == "other_content"
    assert add(journal, segment) == "accepted"


def test_an_ended_stream_accepts_segments_up_to_the_declared_last_one(journal: Journal) -> None:
    add(journal, SEGMENT)
    assert end(journal, 2) == "accepted"
    assert end(journal, 2) == "same"
    assert end(journal, 3) == "other_metadata"
    assert add(journal, replace(SEGMENT, sequence=2)) == "accepted"
    assert add(journal, replace(SEGMENT, sequence=3)) == "ended"


def test_a_known_segment_of_an_ended_stream_is_still_the_same(journal: Journal) -> None:
    add(journal, SEGMENT)
    end(journal, None)
    assert add(journal, SEGMENT) == "same"
