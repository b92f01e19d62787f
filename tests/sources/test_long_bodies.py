"""Bodies that are long, or are announced to be: refused, or kept out of memory."""

from __future__ import annotations

from scanner.errors import LimitError
from scanner.sources.limits import FetchLimits
from scanner.spooled import MOST_IN_MEMORY, SpooledBytes
from tests.sources.loopback import Answer, FakeClock, Server
from tests.sources.test_origin import entries, playlist, read


def test_a_response_that_is_announced_to_be_too_long_is_not_read(
    server: Server, clock: FakeClock
) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist(*entries("a.ts")),
        "/live/a.ts": Answer(b"", promised=1 << 40),
    }

    (segment,) = read(server, clock, FetchLimits(segment_bytes=1000))

    assert isinstance(segment.problem, LimitError)
    assert f"a.ts: {1 << 40} bytes, limit is 1000" in str(segment.problem)


def test_a_response_that_is_too_long_is_not_read_to_its_end(
    server: Server, clock: FakeClock
) -> None:
    text = "\n".join(("#EXTM3U", "#EXTINF:4,", "#EXT-X-BYTERANGE:9@990", "a.ts", "#EXT-X-ENDLIST"))
    server.pages |= {
        "/live/index.m3u8": Answer(text.encode()),
        "/live/a.ts": Answer(bytes(1_000_000), promised=1 << 40),
    }

    (segment,) = read(server, clock, FetchLimits(segment_bytes=995))

    assert isinstance(segment.problem, LimitError)
    assert "a.ts: over 995 bytes" in str(segment.problem)


def test_a_long_response_is_not_held_in_memory(server: Server, clock: FakeClock) -> None:
    body = bytes(range(256)) * 4 * (MOST_IN_MEMORY >> 10) + b"the end"
    text = "\n".join(
        ("#EXTM3U", *entries("a.ts"), "#EXTINF:4,", f"#EXT-X-BYTERANGE:{len(body) - 5}@2", "a.ts")
    )
    server.pages |= {
        "/live/index.m3u8": Answer((text + "\n#EXT-X-ENDLIST").encode()),
        "/live/a.ts": Answer(body),
    }

    whole, part = read(server, clock)

    assert isinstance(whole.source, SpooledBytes)
    assert isinstance(part.source, SpooledBytes)
    assert (whole.source.read(), part.source.read()) == (body, body[2:-3])


def test_a_segment_and_its_init_share_one_limit(server: Server, clock: FakeClock) -> None:
    lines = ('#EXT-X-MAP:URI="init.mp4"', *entries("a.m4s", "b.m4s"))
    server.pages |= {
        "/live/index.m3u8": playlist(*lines),
        "/live/init.mp4": Answer(bytes(400)),
        "/live/a.m4s": Answer(bytes(600)),
        "/live/b.m4s": Answer(bytes(601)),
    }

    first, second = read(server, clock, FetchLimits(segment_bytes=1000))

    assert (first.source, first.init) == (bytes(600), bytes(400))
    assert isinstance(second.problem, LimitError)
    assert "b.m4s: 601 bytes, limit is 600" in str(second.problem)


def test_an_init_is_short(server: Server, clock: FakeClock) -> None:
    server.pages |= {
        "/live/index.m3u8": playlist('#EXT-X-MAP:URI="init.mp4"', *entries("a.m4s")),
        "/live/init.mp4": Answer(b"", promised=250 << 20),
        "/live/a.m4s": Answer(bytes(600)),
    }

    (segment,) = read(server, clock)

    assert isinstance(segment.problem, LimitError)
    assert f"init.mp4: {250 << 20} bytes, limit is {16 << 20}" in str(segment.problem)
    assert ("/live/a.m4s", None) not in server.requests
