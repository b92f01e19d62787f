"""Live playlists whose server or encoder fails for a while: what players survive is survived."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scanner.errors import TransientError
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from tests.sources.loopback import Answer, FakeClock, Server

INDEX = "/live/index.m3u8"


def version(*names: str, first: int = 0, ended: bool = False, head: str = "") -> Answer:
    """One version of a playlist; a name may come with the lines before its EXTINF."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    lines += [head] if head else []
    for name in names:
        *before, uri = name.split(" ")
        lines += [*before, "#EXTINF:2,", uri]
    return Answer("\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else []), ""]).encode())


def follow(
    server: Server, clock: FakeClock, limits: FetchLimits | None = None
) -> tuple[list[PlaylistSegment], TransientError | None]:
    """Return the segments, and the error that came after them."""
    found: list[PlaylistSegment] = []
    try:
        found.extend(follow_playlist(f"{server.origin}{INDEX}", limits, clock=clock.wall_clock))
    except TransientError as error:
        return found, error
    return found, None


def describe(segments: list[PlaylistSegment]) -> list[tuple[int, object, bool]]:
    return [(segment.sequence, segment.source, segment.discontinuity) for segment in segments]


HICCUPS = {
    "absent": Answer(status=404),
    "forbidden": Answer(status=403),
    "failing": Answer(status=500),
    "empty": Answer(b""),
    "without its end": Answer(b"#EXTM3U", promised=500),
    "another text": Answer(b"<html>busy</html>"),
    "damaged": Answer(b"#EXTM3U\n#EXT-X-MAP:x\n#EXTINF:2,\n0.ts\n"),
    "without a number": Answer(b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n#EXTINF:2,\n1.ts\n"),
    "without segments": Answer(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"),
    "a name that is cut": Answer(
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n0.ts\n#EXTINF:2,\n1.t"
    ),
}


@pytest.mark.parametrize("hiccup", HICCUPS)
def test_a_live_playlist_that_is_unusable_for_a_while_is_asked_for_again(
    hiccup: str, server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(3)}
    server.pages[INDEX] = [
        version("0.ts", "1.ts"),
        *[HICCUPS[hiccup]] * 4,
        version("1.ts", "2.ts", first=1, ended=True),
    ]

    segments, error = follow(server, clock)

    assert error is None
    assert describe(segments) == [(0, b"0", False), (1, b"1", False), (2, b"2", False)]


def test_versions_that_do_not_number_their_segments_are_joined_by_names(
    server: Server, clock: FakeClock
) -> None:
    def unnumbered(*names: str, end: str = "") -> Answer:
        segments = "".join(f"#EXTINF:2,\n{name}\n" for name in names)
        return Answer(f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n{segments}{end}".encode())

    names = [f"{n}.ts" for n in range(7)]
    server.pages |= {f"/live/{name}": Answer(name.encode()) for name in names}
    server.pages[INDEX] = [
        *(unnumbered(*names[:2]), unnumbered(*names[1:4])),
        *(unnumbered(*names[2:4]), unnumbered(*names[4:], end="#EXT-X-ENDLIST\n")),
    ]

    segments, error = follow(server, clock)

    assert error is None
    assert describe(segments) == [(n, name.encode(), False) for n, name in enumerate(names)]


def test_a_live_playlist_is_given_up_after_stale_seconds_with_the_reason(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {"/live/0.ts": Answer(b"0"), INDEX: [version("0.ts"), Answer(status=404)]}

    segments, error = follow(server, clock, FetchLimits(stale_seconds=30))

    assert describe(segments) == [(0, b"0", False)]
    assert 30 < clock.seconds < 41
    assert "the server answers 404" in str(error)
    assert clock.slept[:5] == [1.0, 0.5, 1.0, 2.0, 4.0]


def test_a_segment_at_the_live_edge_is_asked_for_again_in_its_turn(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(5)}
    for late in (0, 3, 4):
        server.pages[f"/live/{late}.ts"] = [Answer(status=404)] * 2 + [Answer(b"%d" % late)]
    server.pages[INDEX] = [
        version("0.ts", "1.ts", "2.ts"),
        version("0.ts", "1.ts", "2.ts", "3.ts"),
        version("0.ts", "1.ts", "2.ts", "3.ts", "4.ts", ended=True),
    ]

    segments, error = follow(server, clock)

    assert error is None
    assert [segment.source for segment in segments] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_segment_that_never_appears_is_missing_and_the_later_ones_are_read(
    server: Server, clock: FakeClock
) -> None:
    names = ["0.ts", "1.ts", "2.ts", "3.ts"]
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in (0, 2, 3)}
    server.pages[INDEX] = [version(*names[:2]), version(*names), version(*names, ended=True)]

    segments, error = follow(server, clock)

    assert error is None
    assert [segment.source for segment in segments] == [b"0", None, b"2", b"3"]
    assert 10 <= clock.seconds <= 14


def test_a_segment_that_left_the_playlist_before_it_appeared_is_missing_with_its_duration(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in (0, 3, 4)}
    server.pages[INDEX] = [
        version("0.ts", "#EXT-X-DISCONTINUITY 1.ts", "2.ts"),
        version("3.ts", "4.ts", first=3, ended=True),
    ]

    segments, _ = follow(server, clock)

    assert describe(segments) == [
        (0, b"0", False),
        (1, None, True),
        (2, None, False),
        (3, b"3", False),
        (4, b"4", False),
    ]
    assert segments[1].duration == Fraction(2)


def test_a_stream_that_is_given_up_has_what_it_listed_as_missing(
    server: Server, clock: FakeClock
) -> None:
    server.pages["/live/0.ts"] = Answer(b"0")
    server.pages[INDEX] = [version("0.ts"), version("0.ts", "1.ts", "2.ts"), Answer(status=500)]

    segments, error = follow(server, clock, FetchLimits(stale_seconds=9))

    assert [segment.source for segment in segments] == [b"0", None, None]
    assert "no new segment" in str(error)


RESTARTS = {
    "with other names": (["a.ts", "b.ts"], {"a": b"new a", "b": b"new b"}),
    "with the same names": (["0.ts", "1.ts"], {"0": b"new 0", "1": b"new 1"}),
}


@pytest.mark.parametrize("restart", RESTARTS)
def test_sequences_that_go_back_are_a_restarted_encoder(
    restart: str, server: Server, clock: FakeClock
) -> None:
    names, files = RESTARTS[restart]
    server.pages |= {
        f"/live/{n}.ts": [Answer(b"old %d" % n), *[Answer(b"new %d" % n)] * 9] for n in range(4)
    }
    server.pages |= {f"/live/{name}.ts": Answer(body) for name, body in files.items() if name > "9"}
    server.pages[INDEX] = [
        version("0.ts", "1.ts", "2.ts", "3.ts"),
        version(*names),
        version(*names, ended=True),
    ]

    segments, error = follow(server, clock)

    assert error is None
    assert [segment.sequence for segment in segments] == [0, 1, 2, 3, 4, 5]
    assert [segment.source for segment in segments[4:]] == list(files.values())
    assert [segment.discontinuity for segment in segments] == [False] * 4 + [True, False]


@pytest.mark.parametrize(
    ("first", "date", "later"), [(10, "", ""), (0, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")]
)
def test_a_restarted_encoder_that_has_overtaken_what_was_listed_is_found(
    first: int, date: str, later: str, server: Server, clock: FakeClock
) -> None:
    """Its playlist lists all known sequences, by the same names; dates or the first sequence
    differ."""
    server.pages |= {f"/live/{n}.ts": Answer(b"new %d" % n) for n in range(14)}
    server.pages |= {
        f"/live/{n}.ts": [Answer(b"old %d" % n), Answer(b"new %d" % n)]
        for n in range(first, first + 2)
    }

    def dated(stamp: str, *names: str) -> list[str]:
        tag = f"#EXT-X-PROGRAM-DATE-TIME:{stamp} " if stamp else ""
        return [tag + names[0], *names[1:]]

    server.pages[INDEX] = [
        version(*dated(date, *(f"{n}.ts" for n in range(first, first + 2))), first=first),
        version(*dated(later, *(f"{n}.ts" for n in range(first + 4))), ended=True),
    ]

    segments, error = follow(server, clock)

    assert error is None
    assert [segment.source for segment in segments[2:]] == [b"new %d" % n for n in range(first + 4)]
    assert segments[2].discontinuity


def test_sequences_below_all_that_were_listed_are_a_restarted_encoder(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(4)}
    server.pages[INDEX] = [
        version("0.ts", "1.ts", "2.ts", first=100),
        version("0.ts", "1.ts", first=0),
        version("0.ts", "1.ts", "2.ts", "3.ts", first=0, ended=True),
    ]

    segments, _ = follow(server, clock)

    assert [segment.sequence for segment in segments] == [*range(100, 107)]


def test_what_a_restarted_encoder_sent_before_it_was_seen_is_left_out_as_a_gap(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(100)}
    server.pages[INDEX] = [
        version("90.ts", first=90),
        *[Answer(status=404)] * 5,
        version("3.ts", "4.ts", first=3, ended=True),
    ]

    segments, _ = follow(server, clock)

    assert describe(segments) == [(90, b"90", False), (94, b"3", True), (95, b"4", False)]


def test_a_discontinuity_sequence_that_changes_with_the_content_is_a_restarted_encoder(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": [Answer(b"old"), Answer(b"new")] for n in range(2)}
    server.pages[INDEX] = [
        version("0.ts", "1.ts", head="#EXT-X-DISCONTINUITY-SEQUENCE:0"),
        version("0.ts", "1.ts", head="#EXT-X-DISCONTINUITY-SEQUENCE:1", ended=True),
    ]

    segments, _ = follow(server, clock)

    assert describe(segments) == [
        (0, b"old", False),
        (1, b"old", False),
        (2, b"new", True),
        (3, b"new", False),
    ]


def test_an_old_version_from_a_cache_is_no_restart(server: Server, clock: FakeClock) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(5)}
    server.pages |= {f"/live/{n}.ts?new": Answer(b"%d" % n) for n in range(5)}
    server.pages[INDEX] = [
        version("1.ts", "2.ts", "3.ts", first=1),
        version("0.ts?new", "1.ts?new", "2.ts?new", first=0),
        version("2.ts", "3.ts", "4.ts", first=2, ended=True),
    ]

    segments, _ = follow(server, clock)

    assert [segment.sequence for segment in segments] == [1, 2, 3, 4]
    assert not any(segment.discontinuity for segment in segments)


def test_a_discontinuity_among_segments_that_were_never_listed_holds_for_the_next(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in (0, 5)}
    server.pages[INDEX] = [
        version("0.ts", head="#EXT-X-DISCONTINUITY-SEQUENCE:3"),
        version("5.ts", first=5, ended=True, head="#EXT-X-DISCONTINUITY-SEQUENCE:4"),
    ]

    segments, _ = follow(server, clock)

    assert describe(segments) == [(0, b"0", False), (5, b"5", True)]


def test_an_init_segment_is_read_anew_after_a_discontinuity(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.m4s": Answer(b"%d" % n) for n in range(4)}
    server.pages["/live/init.mp4"] = [Answer(b"old"), Answer(b"new")]
    server.pages[INDEX] = version(
        "#EXT-X-MAP:URI=init.mp4 0.m4s",
        "1.m4s",
        "#EXT-X-DISCONTINUITY 2.m4s",
        "3.m4s",
        ended=True,
    )

    segments, _ = follow(server, clock)

    assert [segment.init for segment in segments] == [b"old", b"old", b"new", b"new"]


def test_an_init_segment_is_read_anew_where_names_begin_to_repeat(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {f"/live/{n}.m4s": Answer(b"%d" % n) for n in range(2)}
    server.pages["/live/init.mp4"] = [Answer(b"old"), Answer(b"new")]
    server.pages[INDEX] = [
        version("#EXT-X-MAP:URI=init.mp4 0.m4s", "1.m4s"),
        version("#EXT-X-MAP:URI=init.mp4 1.m4s", "0.m4s", first=1, ended=True),
    ]

    segments, _ = follow(server, clock)

    assert [segment.init for segment in segments] == [b"old", b"old", b"new"]


@pytest.mark.parametrize("name", ["take#1.ts", "100%.ts", "a b.ts", "%23.ts", "ü+&=.ts"])
def test_characters_that_urls_cannot_have_are_part_of_a_name(
    name: str, server: Server, clock: FakeClock
) -> None:
    quoted = {"take#1.ts": "take%231.ts", "100%.ts": "100%25.ts", "a b.ts": "a%20b.ts"}
    quoted |= {"ü+&=.ts": "%C3%BC+&=.ts"}
    server.pages[f"/live/{quoted.get(name, name)}"] = Answer(b"media")
    text = f"#EXTM3U\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n"
    server.pages[INDEX] = Answer(text.encode())

    segments, _ = follow(server, clock)

    assert [segment.source for segment in segments] == [b"media"]
