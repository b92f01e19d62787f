"""The text of a playlist is hostile input like any other: parsing it gives nouns or one of our
errors."""

from __future__ import annotations

import logging
import string
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import DamagedError, InputError
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import MasterPlaylist, MediaPlaylist
from scanner.sources.playlist_parser import parse_playlist

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


def read_media(*lines: str, location: str = "") -> MediaPlaylist:
    text = "\n".join(["#EXTM3U", *lines])
    parsed = parse_playlist(text.encode(), FetchLimits(), name="x", location=location)
    assert isinstance(parsed, MediaPlaylist)
    return parsed


def read_master(*offers: str, edge: int = 1080) -> list[str]:
    """Return the variants by their attributes, the one to follow first."""
    text = "".join(f"#EXT-X-STREAM-INF:{offer}\n{n}\n" for n, offer in enumerate(offers))
    parsed = parse_playlist(f"#EXTM3U\n{text}".encode(), FetchLimits(), name="x")
    assert isinstance(parsed, MasterPlaylist)
    return [offers[int(variant.uri)] for variant in parsed.rank(edge)]


@pytest.mark.parametrize(
    "line",
    [
        "#EXT-X-TARGETDURATION:2.5",
        "#EXT-X-TARGETDURATION:two",
        "#EXT-X-VERSION:x",
        "#EXT-X-PROGRAM-DATE-TIME:yesterday",
        "#EXT-X-DATERANGE:ID=1,DURATION=x",
        "#EXT-X-BITRATE:fast",
        "#EXT-X-DISCONTINUITY-SEQUENCE:one",
        "#EXT-X-START:TIME-OFFSET=now",
        "#EXT-X-PART:DURATION=x",
        '#EXT-X-DEFINE:IMPORT="unused"',
        "#EXT-X-KEY:",
        "#EXT-X-SOMETHING-NEW:x",
        "# a comment",
    ],
)
def test_a_bad_value_that_is_not_needed_is_ignored(line: str) -> None:
    parsed = read_media(line, "#EXTINF:2,", "a.ts")

    assert [entry.media.uri for entry in parsed.entries] == ["a.ts"]


def test_a_value_that_is_ignored_is_noted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read_media("#EXT-X-TARGETDURATION:two", "#EXTINF:2,", "a.ts")

    (record,) = (one for one in caplog.records if "ignored" in one.message)
    assert (record.__dict__["line"], record.__dict__["value"]) == (2, "two")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("-1,live", "0"), ("-1", "0"), (" 2.5 ,title", "2.5"), ("4.", "4")],
        *[("abc,", "0"), (",", "0"), ("", "0"), ("nan", "0"), ("90000,", "0"), ("1e400,", "1")],
        *[("2,5", "2"), ("4 s,", "4"), ("9" * 400, "0"), (".5", "0")],
    ],
)
def test_durations_are_read_as_players_read_them(text: str, seconds: str) -> None:
    (entry,) = read_media(f"#EXTINF:{text}", "a.ts").entries

    assert entry.duration == Fraction(seconds)


@pytest.mark.parametrize(
    ("text", "first", "is_numbered"),
    [
        *[("7", 7, True), ("7.5", 7, True), ("7 # comment", 7, True), ("007", 7, True)],
        *[("x", 0, False), ("", 0, False), ("-7", 0, False), ("9" * 19, 0, False)],
    ],
)
def test_the_media_sequence_is_the_number_that_its_tag_begins_with(
    text: str, first: int, is_numbered: bool
) -> None:
    parsed = read_media(f"#EXT-X-MEDIA-SEQUENCE:{text}", "#EXTINF:2,", "a.ts")

    assert (parsed.entries[0].sequence, parsed.is_numbered) == (first, is_numbered)


def test_bytes_that_are_no_text_spoil_no_more_than_their_place() -> None:
    text = b"#EXTM3U\n#EXTINF:2,Caf\xe9\na.ts\n#EXTINF:2,\n\xff.ts\n"

    parsed = parse_playlist(text, FetchLimits(), name="x")

    assert isinstance(parsed, MediaPlaylist)
    assert [entry.media.uri for entry in parsed.entries] == ["a.ts", "\ufffd.ts"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#EXT-X-BYTERANGE:@", 'x: line 2: EXT-X-BYTERANGE "@", LENGTH or LENGTH@START in bytes'),
        ("#EXT-X-MAP:A=1", 'x: line 2: EXT-X-MAP "A=1", URI of the init segment is wanted'),
        ("#EXT-X-KEY:METHOD=AES-128", 'x: line 2: EXT-X-KEY "METHOD=AES-128": segment 0 is'),
    ],
)
def test_an_error_names_line_tag_value_and_what_is_wanted(line: str, message: str) -> None:
    parsed = parse_or_error(f"#EXTM3U\n{line}\n#EXTINF:2,\na.ts\n".encode())

    assert isinstance(parsed, InputError)
    assert str(parsed).startswith(message)


def test_variables_are_substituted_in_names_and_quoted_values() -> None:
    parsed = read_media(
        '#EXT-X-DEFINE:NAME="dir",VALUE="hd/1"',
        '#EXT-X-DEFINE:QUERYPARAM="token"',
        '#EXT-X-MAP:URI="{$dir}/init.mp4"',
        "#EXTINF:2,",
        "{$dir}/a.ts?t={$token}",
        location="http://x/index.m3u8?token=7",
    )

    (entry,) = parsed.entries
    assert entry.media.uri == "hd/1/a.ts?t=7"
    assert entry.init is not None
    assert entry.init.uri == "hd/1/init.mp4"


def test_variables_of_a_master_playlist_are_imported_and_unknown_ones_are_errors() -> None:
    text = b'#EXTM3U\n#EXT-X-DEFINE:IMPORT="dir"\n#EXTINF:2,\n{$dir}.ts\n'

    parsed = parse_playlist(text, FetchLimits(), name="x", imported={"dir": "a"})

    assert isinstance(parsed, MediaPlaylist)
    assert parsed.entries[0].media.uri == "a.ts"
    with pytest.raises(DamagedError, match=r"line 4: .*a definition of the variable dir"):
        parse_playlist(text, FetchLimits(), name="x")


def test_discontinuities_are_counted_from_their_sequence() -> None:
    parsed = read_media(
        *("#EXT-X-DISCONTINUITY-SEQUENCE:3", "#EXTINF:2,", "a.ts"),
        *("#EXT-X-DISCONTINUITY", "#EXTINF:2,", "b.ts"),
    )

    assert [entry.discontinuity_sequence for entry in parsed.entries] == [3, 4]


AUDIO = 'BANDWIDTH=900,CODECS="mp4a.40.2"'


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([AUDIO, "BANDWIDTH=1,RESOLUTION=1080x1920"], 1),
        ([AUDIO, "BANDWIDTH=1"], 1),
        ([AUDIO, 'BANDWIDTH=1,CODECS="avc1.64002a,mp4a.40.2"'], 1),
        ([AUDIO, "BANDWIDTH=1,RESOLUTION=3840x2160"], 1),
        ([AUDIO], 0),
        (["BANDWIDTH=9,RESOLUTION=2160x3840", "BANDWIDTH=1,RESOLUTION=1080x1920"], 1),
        (["BANDWIDTH=9,RESOLUTION=4320x7680", "BANDWIDTH=1,RESOLUTION=2160x3840"], 1),
        (["BANDWIDTH=9,RESOLUTION=1280x720", "BANDWIDTH=1,RESOLUTION=1920x1080"], 1),
        (["BANDWIDTH=9", "BANDWIDTH=1,RESOLUTION=640x360"], 1),
        (["BANDWIDTH=9,RESOLUTION=x", "BANDWIDTH=1,RESOLUTION=640x360"], 1),
        (["BANDWIDTH=x,RESOLUTION=640x360", "BANDWIDTH=1,RESOLUTION=640x360"], 1),
    ],
)
def test_the_variant_with_pictures_nearest_to_the_wanted_shorter_edge_is_first(
    offers: list[str], chosen: int
) -> None:
    assert read_master(*offers)[0] == offers[chosen]
