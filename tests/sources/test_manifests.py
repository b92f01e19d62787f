"""Playlists and MPDs as encoders push them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scanner.errors import DamagedError, RefusedError
from scanner.sources.limits import FetchLimits
from scanner.sources.manifests import Manifest, read_playlist
from scanner.sources.mpd import read_mpd

LIMITS = FetchLimits()
FFMPEG_MPD = b"""<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic">
 <Period id="0" start="PT0.0S">
  <AdaptationSet id="0" contentType="video">
   <Representation id="0" mimeType="video/mp4" codecs="avc1.42c00d" bandwidth="800" width="320"
     height="180">
    <SegmentTemplate timescale="15360" initialization="init-stream$RepresentationID$.m4s"
      media="chunk-stream$RepresentationID$-$Number%05d$.m4s" startNumber="3">
     <SegmentTimeline><S t="61440" d="30720" r="1"/><S d="15360"/></SegmentTimeline>
    </SegmentTemplate>
   </Representation>
  </AdaptationSet>
  <AdaptationSet id="1" contentType="audio">
   <Representation id="1" mimeType="audio/mp4" codecs="mp4a.40.2" bandwidth="128">
    <SegmentTemplate timescale="44100" initialization="init-stream1.m4s" duration="88200"
      media="chunk-stream1-$Number%05d$.m4s" startNumber="1"/>
   </Representation>
  </AdaptationSet>
 </Period>
</MPD>"""


def mpd(body: bytes) -> Manifest:
    return read_mpd(body, path="live/s.mpd", prefix="/ingest/tv/", limits=LIMITS)


def playlist(body: str) -> Manifest:
    return read_playlist(body.encode(), path="live/i.m3u8", prefix="/ingest/tv/", limits=LIMITS)


def test_an_mpd_offers_its_pictures_first_and_names_segments() -> None:
    offered, (video, audio) = mpd(FFMPEG_MPD)
    assert [(one.name, one.is_video) for one in offered] == [
        ("live/s.mpd#0", True),
        ("live/s.mpd#1", False),
    ]
    assert (video.first, video.end, video.target, video.ended) == (3, 6, Fraction(2), False)
    assert [(one.path, one.duration) for one in video.entries] == [
        ("live/chunk-stream0-00003.m4s", Fraction(2)),
        ("live/chunk-stream0-00004.m4s", Fraction(2)),
        ("live/chunk-stream0-00005.m4s", Fraction(1)),
    ]
    assert {one.init for one in video.entries} == {"live/init-stream0.m4s"}
    assert (audio.entries, audio.series) == ((), ("live/chunk-stream1-#.m4s",))
    assert (audio.target, audio.init) == (Fraction(2), "live/init-stream1.m4s")


def test_a_static_mpd_is_the_end() -> None:
    _, listings = mpd(FFMPEG_MPD.replace(b'type="dynamic"', b'type="static"'))
    assert all(one.ended for one in listings)


def test_segments_that_are_named_by_time_alone_are_no_list() -> None:
    by_time = FFMPEG_MPD.replace(b"$Number%05d$", b"$Time$").replace(b' startNumber="3"', b"")
    _, (video, _) = mpd(by_time)
    assert (video.entries, video.series) == ((), ("live/chunk-stream0-#.m4s",))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"no xml", DamagedError),
        (b"<a/>", DamagedError),
        (b"<MPD>", DamagedError),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><MPD/>', RefusedError),
    ],
)
def test_what_is_no_mpd_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        mpd(body)


def test_a_media_playlist_names_paths_of_the_publishing_point() -> None:
    _, (listing,) = playlist(
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-TARGETDURATION:4\n"
        '#EXT-X-MAP:URI="init.mp4"\n#EXTINF:4,\nhttp://host/ingest/tv/live/s7.m4s?t=1\n'
        "#EXT-X-DISCONTINUITY\n#EXTINF:3.5,\nsub/s8.m4s\n#EXT-X-GAP\n#EXTINF:4,\ns9.m4s\n"
    )
    assert (listing.rendition, listing.first, listing.target) == ("live/i.m3u8", 7, 4)
    assert [(one.path, one.duration, one.discontinuity, one.gap) for one in listing.entries] == [
        ("live/s7.m4s", 4, False, False),
        ("live/sub/s8.m4s", Fraction(7, 2), True, False),
        ("live/s9.m4s", 4, False, True),
    ]
    assert listing.entries[0].init == "live/init.mp4"


def test_a_name_that_leaves_the_publishing_point_is_a_gap() -> None:
    _, (listing,) = playlist("#EXTM3U\n#EXTINF:4,\n../../s0.ts\n")
    assert listing.entries[0].gap


def test_a_playlist_that_grows_is_kept_to_its_newest_entries() -> None:
    entries = "".join(f"#EXTINF:2,\ns{number}.ts\n" for number in range(1000))
    _, (listing,) = playlist(f"#EXTM3U\n{entries}")
    assert (listing.first, listing.end) == (744, 1000)


def test_a_master_playlist_offers_the_variant_to_scan_first() -> None:
    offered, listings = playlist(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360\nlow/i.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=1920x1080\nhigh/i.m3u8\n"
    )
    assert [one.name for one in offered] == ["live/high/i.m3u8", "live/low/i.m3u8"]
    assert listings == ()
