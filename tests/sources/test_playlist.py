"""The text of a playlist is hostile input like any other: parsing it gives nouns or one of our
errors."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import MasterPlaylist, MediaPlaylist, parse_playlist

TAGS = [
    *(
        "#EXTINF:",
        "#EXT-X-BYTERANGE:",
        "#EXT-X-MAP:",
        "#EXT-X-KEY:",
        "#EXT-X-MEDIA-SEQUENCE:",
        "#EXT-X-TARGETDURATION:",
    ),
    *(
        "#EXT-X-STREAM-INF:",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-GAP",
        "#EXT-X-ENDLIST",
        "#EXT-X-PLAYLIST-TYPE:",
        "#EXT-X-PART:",
    ),
    *(
        "#EXT-X-PROGRAM-DATE-TIME:",
        "#EXT-X-DATERANGE:",
        "#EXT-X-SKIP:",
        "#EXT-X-SERVER-CONTROL:",
        "#EXT-X-DEFINE:",
        "#EXT-X-CUE-OUT:",
    ),
    *(
        "#EXT-X-MEDIA:",
        "#EXT-X-SESSION-KEY:",
        "#EXT-X-I-FRAME-STREAM-INF:",
        "#EXT-X-START:",
        "#EXT-X-RENDITION-REPORT:",
        "",
    ),
]
VALUES = st.one_of(
    st.sampled_from(
        [
            "4.0,",
            "nan",
            "inf,",
            "-1",
            "1e400,",
            "10@5",
            "@",
            "a@b",
            "9" * 400,
            "a.ts",
            'URI="x",BYTERANGE="1@0"',
            "METHOD=NONE",
        ]
    ),
    st.sampled_from(
        [
            'URI="',
            "BANDWIDTH=1",
            "BANDWIDTH=x,RESOLUTION=axb",
            "RESOLUTION=1x1",
            "METHOD=AES-128",
            "VOD",
            "=,=,",
            '"' * 50,
        ]
    ),
    st.text(string.printable, max_size=40),
    st.text(max_size=20),
)
LINES = st.lists(st.builds(str.__add__, st.sampled_from(TAGS), VALUES), max_size=12)


def parse_or_error(body: bytes) -> MediaPlaylist | MasterPlaylist | InputError:
    """Return the result of the parser; any other exception fails the test."""
    try:
        return parse_playlist(body, FetchLimits(), name="x")
    except InputError as error:
        return error


@given(LINES)
def test_any_text_is_a_playlist_or_one_of_our_errors(lines: list[str]) -> None:
    parsed = parse_or_error("\n".join(["#EXTM3U", *lines]).encode("utf-8", "surrogatepass"))

    if isinstance(parsed, InputError):
        assert str(parsed).startswith("x: ")
    if isinstance(parsed, MediaPlaylist):
        assert all(entry.duration >= 0 and entry.sequence >= 0 for entry in parsed.entries)
        assert parsed.target_duration > 0


@given(st.binary(max_size=200))
def test_any_bytes_are_a_playlist_or_one_of_our_errors(body: bytes) -> None:
    parsed = parse_or_error(b"#EXTM3U\n" + body)

    assert isinstance(parsed, MediaPlaylist | MasterPlaylist) or str(parsed).startswith("x: ")


def test_an_unbalanced_line_is_read_in_little_time() -> None:
    line = "#EXT-X-STREAM-INF:" + "'\"" * 4000

    parsed = parse_or_error(f"#EXTM3U\n{line}\na.m3u8".encode())

    assert isinstance(parsed, MasterPlaylist | InputError)
