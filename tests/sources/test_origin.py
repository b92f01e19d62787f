"""Playlists on a server: live ones, redirects, ranges, and servers that fail or are hostile."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.errors import DamagedError, InputError, LimitError, RefusedError, TransientError
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from tests.sources.loopback import Answer, FakeClock, Ranges, Server


def playlist(*lines: str, first: int = 0, ended: bool = True) -> Answer:
    head = ("#EXTM3U", "#EXT-X-TARGETDURATION:4", f"#EXT-X-MEDIA-SEQUENCE:{first}")
    return Answer("\n".join((*head, *lines, *(["#EXT-X-ENDLIST"] if ended else []))).encode())


def entries(*names: str) -> tuple[str, ...]:
    return tuple(line for name in names for line in ("#EXTINF:4,", name))


def read(
    server: Server, clock: FakeClock, limits: FetchLimits | None = None
) -> list[PlaylistSegment]:
    return list(follow_playlist(f"{server.origin}/live/index.m3u8", limits, clock=clock.wall_clock))


def test_segments_are_read_from_the_origin_of_the_playlist(
    server: Server, clock: FakeClock
) -> None:
    server.pages["/live/index.m3u8"] = playlist(
        *entries("a.ts", "/other/b.ts", f"{server.origin}/c.ts?token=1")
    )
    server.pages |= {
        "/live/a.ts": Answer(b"a"),
        "/other/b.ts": Answer(b"b"),
        "/c.ts?token=1": Answer(b"c"),
    }

    got = read(server, clock)

    assert [(segment.sequence, segment.source) for segment in got] == [
        (0, b"a"),
        (1, b"b"),
        (2, b"c"),
    ]
    assert got[2].name == f"{server.origin}/c.ts"
    assert clock.slept == []


def test_a_live_playlist_is_read_again_until_it_ends(server: Server, clock: FakeClock) -> None:
    server.pages["/live/index.m3u8"] = [
        playlist(*entries("0.ts", "1.ts"), ended=False),
        playlist(*entries("0.ts", "1.ts"), ended=False),
        playlist(*entries("1.ts", "2.ts"), first=1, ended=False),
        playlist(*entries("5.ts"), first=5),
    ]
    server.pages |= {f"/live/{n}.ts": Answer(b"%d" % n) for n in range(6)}

    got = read(server, clock)

    assert [(segment.sequence, segment.source) for segment in got] == [
        (0, b"0"),
        (1, b"1"),
        (2, b"2"),
        (5, b"5"),
    ]
    assert clock.slept == [2.0, 2.0, 2.0]


def test_a_live_playlist_that_stops_growing_is_given_up(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("0.ts"), ended=False),
        "/live/0.ts": Answer(b"0"),
    }

    with pytest.raises(TransientError, match="no new segment for 62 s and no #EXT-X-ENDLIST"):
        read(server, clock)


def test_a_stream_is_ended_after_stream_seconds(server: Server, clock: FakeClock) -> None:
    server.pages["/live/index.m3u8"] = [
        playlist(*entries("s.ts"), first=n, ended=False) for n in range(100)
    ]
    server.pages["/live/s.ts"] = Answer(b"s")

    with pytest.raises(LimitError, match="followed for 22 s, limit is 20"):
        read(server, clock, FetchLimits(stream_seconds=20))


@pytest.mark.parametrize(("target", "pause"), [(0, 0.5), (3, 1.5), (86_400, 10.0)])
def test_the_pause_of_a_playlist_is_bounded(
    target: int, pause: float, server: Server, clock: FakeClock
) -> None:
    first = b"#EXTM3U\n#EXT-X-TARGETDURATION:%d\n#EXTINF:0.25,\ns.ts\n" % target
    server.pages |= {
        "/live/index.m3u8": [Answer(first), playlist(*entries("s.ts"))],
        "/live/s.ts": Answer(b"s"),
    }

    read(server, clock)

    assert clock.slept == [pause]


def test_ranges_are_requested_and_cut_from_servers_that_ignore_them(
    server: Server, clock: FakeClock
) -> None:
    lines = (
        '#EXT-X-MAP:URI="i.mp4",BYTERANGE="4@0"',
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:3@4",
        "r.mp4",
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:2",
        "r.mp4",
    )
    server.pages |= {
        "/live/index.m3u8": playlist(*lines),
        "/live/i.mp4": Answer(b"initial"),
        "/live/r.mp4": Ranges(b"0123456789"),
    }

    first, second = read(server, clock)

    assert (first.init, first.source) == (b"init", b"456")
    assert (second.init, second.source) == (b"init", b"78")
    assert server.requests[1:] == [
        ("/live/i.mp4", "bytes=0-3"),
        ("/live/r.mp4", "bytes=4-6"),
        ("/live/r.mp4", "bytes=7-8"),
    ]


def test_another_range_than_the_wanted_one_is_damage(server: Server, clock: FakeClock) -> None:
    server.pages["/live/index.m3u8"] = playlist("#EXTINF:4,", "#EXT-X-BYTERANGE:3@4", "r.mp4")
    server.pages["/live/r.mp4"] = Ranges(b"0123456789", headers={"Content-Range": "bytes 0-2/10"})

    (segment,) = read(server, clock)

    assert isinstance(segment.problem, DamagedError)
    assert "another range" in str(segment.problem)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_segment_that_the_server_no_longer_has_is_missing(
    status: int, server: Server, clock: FakeClock
) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts", "b.ts")),
        "/live/a.ts": Answer(status=status),
        "/live/b.ts": Answer(b"b"),
    }

    assert [segment.source for segment in read(server, clock)] == [None, b"b"]


def test_a_playlist_that_is_not_there_is_the_senders_fault(
    server: Server, clock: FakeClock
) -> None:
    with pytest.raises(InputError, match=r"index\.m3u8: the server answers 404"):
        read(server, clock)

    assert clock.slept == []


@pytest.mark.parametrize(
    "name",
    [
        "http://127.0.0.1:1/a.ts",
        "https://127.0.0.1/a.ts",
        "file:///etc/passwd",
        "//example.org/a.ts",
        "ftp://x/a",
    ],
)
def test_a_playlist_may_not_reference_another_origin(
    name: str, server: Server, clock: FakeClock
) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts", name)),
        "/live/a.ts": Answer(b"a"),
    }

    with pytest.raises(RefusedError, match="may only name what is at its own origin"):
        read(server, clock)

    assert [path for path, _ in server.requests] == ["/live/index.m3u8"]


def test_redirects_within_the_origin_are_followed(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts")),
        "/live/a.ts": Answer(status=302, headers={"Location": "/new/a.ts"}),
        "/new/a.ts": Answer(b"a"),
    }

    (segment,) = read(server, clock)

    assert segment.source == b"a"


def test_redirects_to_another_origin_are_refused(
    server: Server, make_server: Callable[[], Server], clock: FakeClock
) -> None:
    other = make_server()
    server.pages["/live/index.m3u8"] = Answer(status=302, headers={"Location": f"{other.origin}/x"})

    with pytest.raises(RefusedError, match="own origin"):
        read(server, clock)

    assert other.requests == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "", "http://[/"])
def test_redirects_without_a_valid_target_are_refused(
    target: str, server: Server, clock: FakeClock
) -> None:
    server.pages["/live/index.m3u8"] = Answer(status=302, headers={"Location": target})

    with pytest.raises(RefusedError, match=r"own origin|not a URL|redirects"):
        read(server, clock)


def test_a_request_that_fails_for_a_moment_is_retried(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts")),
        "/live/a.ts": [Answer(status=503), Answer(status=500), Answer(b"a")],
    }

    (segment,) = read(server, clock)

    assert segment.source == b"a"
    assert clock.slept == [0.5, 1.0]


def test_a_segment_that_cannot_be_read_is_only_missing(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts", "b.ts", "c.ts")),
        "/live/b.ts": Answer(status=500),
    }
    server.pages |= {"/live/a.ts": Answer(b"a"), "/live/c.ts": Answer(b"c")}

    segments = read(server, clock)

    assert [segment.source for segment in segments] == [b"a", None, b"c"]
    assert [type(segment.problem) for segment in segments] == [
        type(None),
        TransientError,
        type(None),
    ]


def test_segments_that_cannot_be_read_are_missing_and_the_later_ones_are_read(
    server: Server, clock: FakeClock
) -> None:
    names = [f"{number}.ts" for number in range(9)]
    server.pages |= {f"/live/{name}": Answer(status=500) for name in names[:8]}
    server.pages |= {"/live/8.ts": Answer(b"8"), "/live/index.m3u8": playlist(*entries(*names))}

    assert [segment.source for segment in read(server, clock)] == [None] * 8 + [b"8"]


def test_a_stream_that_is_given_up_yields_what_it_listed_as_missing(
    server: Server, clock: FakeClock
) -> None:
    names = [f"{number}.ts" for number in range(100)]
    server.pages |= {f"/live/{name}": Answer(status=500) for name in names[1:]}
    server.pages |= {"/live/0.ts": Answer(b"0"), "/live/index.m3u8": playlist(*entries(*names))}
    segments: list[PlaylistSegment] = []

    with pytest.raises(TransientError, match=r"no new segment for 6\d s .*the server answers 500"):
        segments.extend(follow_playlist(f"{server.origin}/live/index.m3u8", clock=clock.wall_clock))

    assert [segment.sequence for segment in segments] == [*range(100)]
    assert {segment.duration for segment in segments} == {4}
    assert segments[-1].problem is None


def test_a_server_that_keeps_failing_is_a_transient_error(server: Server, clock: FakeClock) -> None:
    server.pages["/live/index.m3u8"] = Answer(status=503)

    with pytest.raises(TransientError, match="the server answers 503"):
        read(server, clock)

    assert len(server.requests) == 3


def test_an_unreachable_server_is_a_transient_error(clock: FakeClock) -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:9"):
        list(follow_playlist("http://127.0.0.1:9/index.m3u8", clock=clock.wall_clock))


def test_a_truncated_response_is_requested_again(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts")),
        "/live/a.ts": [Answer(b"ab", promised=9), Answer(b"abc")],
    }

    (segment,) = read(server, clock, FetchLimits(idle_seconds=0.2))

    assert segment.source == b"abc"


def test_a_server_that_always_sends_gzip_is_read(server: Server, clock: FakeClock) -> None:
    packed = {"Content-Encoding": "gzip"}
    text = playlist(*entries("a.ts")).body
    server.pages |= {
        "/live/index.m3u8": Answer(gzip.compress(text), headers=packed),
        "/live/a.ts": Answer(gzip.compress(b"a" * 500), headers=packed),
    }

    (segment,) = read(server, clock)

    assert segment.source == b"a" * 500


def test_a_compressed_response_is_unpacked_up_to_its_limit(
    server: Server, clock: FakeClock
) -> None:
    bomb = Answer(gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"})
    server.pages |= {"/live/index.m3u8": playlist(*entries("a.ts")), "/live/a.ts": bomb}

    (segment,) = read(server, clock, FetchLimits(segment_bytes=1000))

    assert isinstance(segment.problem, LimitError)


@pytest.mark.parametrize(
    ("encoding", "message"), [("gzip", "cannot be unpacked"), ("br", "gzip or none is wanted")]
)
def test_a_compressed_response_that_cannot_be_unpacked_is_damage(
    encoding: str, message: str, server: Server, clock: FakeClock
) -> None:
    server.pages["/live/index.m3u8"] = Answer(b"bomb", headers={"Content-Encoding": encoding})

    with pytest.raises(DamagedError, match=message):
        read(server, clock)


def test_passwords_and_tokens_are_not_in_messages(server: Server, clock: FakeClock) -> None:
    address = f"{server.origin}/index.m3u8?token=secret".replace("http://", "http://user:secret@")

    with pytest.raises(InputError, match="the server answers 404") as caught:
        list(follow_playlist(address, clock=clock.wall_clock))

    assert "secret" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.pages |= {"/live/index.m3u8": playlist(*entries("a.ts")), "/live/a.ts": Answer(b"a")}

    assert len(read(server, clock)) == 1


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a.m3u8", "file:///etc/passwd", "http://"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(RefusedError, match="only http and https"):
        next(follow_playlist(address))


def test_a_variant_at_another_origin_is_refused(server: Server, clock: FakeClock) -> None:
    server.pages["/live/index.m3u8"] = Answer(
        b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://example.org/a.m3u8\n"
    )

    with pytest.raises(RefusedError, match="own origin"):
        read(server, clock)


def test_a_path_with_a_scheme_in_its_name_is_still_a_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        next(follow_playlist(tmp_path / "http:" / "x.m3u8"))
