"""The rules of a publishing point, state by state."""

from __future__ import annotations

from fractions import Fraction

from scanner.ingest.decisions import PlaceLost, PlaceSegment
from scanner.ingest.inputs import ListedSegment, Listing
from tests.ingest.build import Channel, hls


def test_segments_that_a_playlist_names_get_sequences_in_its_order() -> None:
    channel = Channel()
    hls(channel, 0, 4)
    assert channel.timeline == [
        "|index0.ts"[1:],
        "index1.ts",
        "index2.ts",
        "index3.ts",
        "index4.ts",
    ]
    assert channel.changes == ["live"]
    assert [one.duration for one in channel.decided if isinstance(one, PlaceSegment)] == [2] * 5


def test_without_a_playlist_segments_are_placed_by_arrival_after_a_second_and_a_half() -> None:
    channel = Channel()
    for number in range(3):
        channel.put(f"video-{number}.cmfv")
        channel.wait(2.0)
    assert channel.timeline == ["video-0.cmfv", "video-1.cmfv", "video-2.cmfv"]


def test_one_segment_alone_is_placed_when_probing_is_over() -> None:
    channel = Channel()
    channel.put("a.ts")
    channel.wait(2.5)
    assert channel.timeline == []
    channel.wait(1.0)
    assert channel.timeline == ["a.ts"]


def test_a_playlist_that_comes_after_arrival_order_repeats_nothing() -> None:
    channel = Channel()
    for number in range(3):
        channel.put(f"index{number}.ts")
        channel.wait(2.0)
    channel.put("index3.ts")
    channel.publish("index0.ts", "index1.ts", "index2.ts", "index3.ts")
    assert channel.timeline == [f"index{number}.ts" for number in range(4)]


def test_a_segment_that_is_named_and_never_comes_is_lost_after_a_target_duration() -> None:
    channel = Channel()
    hls(channel, 0, 1)
    channel.publish("index0.ts", "index1.ts", "index2.ts")
    channel.wait(1.0)
    assert len(channel.timeline) == 2
    channel.wait(1.5)
    assert channel.timeline == ["index0.ts", "index1.ts", "-"]
    (lost,) = [one for one in channel.decided if isinstance(one, PlaceLost)]
    assert (lost.duration, lost.reason) == (Fraction(2), "missing")


def test_a_named_segment_is_awaited_while_its_upload_is_open() -> None:
    channel = Channel()
    hls(channel, 0, 1)
    channel.publish("index0.ts", "index1.ts", "index2.ts")
    channel.wait(8.0, "index2.ts")
    channel.put("index2.ts")
    assert channel.timeline == ["index0.ts", "index1.ts", "index2.ts"]


def test_a_segment_that_comes_after_its_gap_was_stated_is_late() -> None:
    channel = Channel()
    hls(channel, 0, 1)
    channel.publish("index0.ts", "index1.ts", "index2.ts")
    channel.wait(3.0)
    channel.put("index2.ts")
    assert channel.outcomes == {"index2.ts": "late"}
    assert channel.timeline == ["index0.ts", "index1.ts", "-"]


def test_a_segment_that_a_later_playlist_skips_is_unlisted() -> None:
    channel = Channel()
    hls(channel, 0, 1)
    channel.put("index90.ts")
    channel.put("index2.ts")
    channel.publish("index0.ts", "index1.ts", "index2.ts")
    assert channel.outcomes == {"index90.ts": "unlisted"}


def test_a_segment_that_is_sent_again_with_the_same_bytes_has_no_effect() -> None:
    channel = Channel()
    hls(channel, 0, 1)
    channel.put("index1.ts", channel.known["index1.ts"][1])
    hls(channel, 2, 3)
    assert channel.timeline == [f"index{number}.ts" for number in range(4)]
    assert channel.outcomes["index1.ts"] == "same"


def test_an_encoder_that_restarts_continues_its_stream_with_a_discontinuity() -> None:
    channel = Channel()
    hls(channel, 0, 3)
    channel.wait(10.0)
    hls(channel, 0, 2)
    assert channel.timeline == [
        *(f"index{number}.ts" for number in range(4)),
        "|index0.ts",
        "index1.ts",
        "index2.ts",
    ]
    assert len(channel.streams) == 1


def test_an_encoder_that_restarts_with_the_same_bytes_is_seen_by_its_playlist() -> None:
    channel = Channel()
    for _ in range(2):
        for number in range(4):
            channel.put(f"index{number}.ts")
            channel.publish(*(f"index{one}.ts" for one in range(number + 1)))
            channel.wait(2.0)
    assert channel.timeline == [
        *(f"index{number}.ts" for number in range(4)),
        "|index0.ts",
        *(f"index{number}.ts" for number in range(1, 4)),
    ]


def test_an_encoder_that_restarts_after_one_segment_is_seen_by_its_bytes() -> None:
    channel = Channel()
    hls(channel, 0, 0)
    channel.wait(2.0)
    hls(channel, 0, 1)
    assert channel.timeline == ["index0.ts", "|index0.ts", "index1.ts"]


def test_the_last_segment_of_an_encoder_that_died_before_its_playlist_is_placed() -> None:
    channel = Channel()
    hls(channel, 0, 3)
    channel.put("index4.ts")
    channel.wait(5.0)
    hls(channel, 0, 0)
    assert channel.timeline[-2:] == ["index4.ts", "|index0.ts"]


def test_the_last_segment_of_an_encoder_that_never_returns_is_placed() -> None:
    channel = Channel()
    hls(channel, 0, 3)
    channel.put("index4.ts")
    channel.wait(80.0)
    assert channel.timeline[-1] == "index4.ts"
    assert [one.last_sequence for one in channel.ends] == [4]


def test_an_old_version_of_a_playlist_changes_nothing() -> None:
    channel = Channel()
    hls(channel, 0, 3)
    channel.publish("index0.ts", "index1.ts")
    hls(channel, 4, 4)
    assert channel.timeline == [f"index{number}.ts" for number in range(5)]


def test_names_that_repeat_while_the_playlist_continues_are_no_restart() -> None:
    channel = Channel()
    for number in range(6):
        names = [f"s{one % 3}.ts" for one in range(max(0, number - 1), number + 1)]
        channel.put(names[-1], f"content {number}")
        channel.publish(*names, first=max(0, number - 1))
        channel.wait(2.0)
    assert channel.timeline == ["s0.ts", "s1.ts", "s2.ts"] * 2


def test_versions_that_were_not_seen_leave_an_exact_gap() -> None:
    channel = Channel()
    hls(channel, 0, 1, window=1)
    channel.put("index3.ts")
    channel.wait(2.0)
    channel.put("index4.ts")
    channel.publish("index4.ts", first=4)
    assert channel.timeline == ["index0.ts", "index1.ts", "index3.ts", "-", "index4.ts"]


def test_a_playlist_of_an_encoder_that_ran_before_begins_with_what_arrived() -> None:
    channel = Channel()
    channel.put("index7.ts")
    channel.publish("index5.ts", "index6.ts", "index7.ts", first=5)
    channel.wait(5.0)
    assert channel.timeline == ["index7.ts"]


def test_a_gap_that_the_playlist_declares_is_a_gap() -> None:
    channel = Channel()
    hls(channel, 0, 0)
    absent = ListedSegment(path="index1.ts", duration=Fraction(2), gap=True)
    channel.put("index2.ts")
    channel.publish("index0.ts", absent, "index2.ts")
    assert channel.timeline == ["index0.ts", "-", "index2.ts"]


def test_of_several_renditions_the_first_that_is_offered_is_scanned() -> None:
    channel = Channel()
    channel.push(offered=("1/i.m3u8", "0/i.m3u8"))
    for number in range(3):
        for variant in (0, 1):
            channel.put(f"{variant}/s{number}.ts")
            names = [f"{variant}/s{one}.ts" for one in range(number + 1)]
            channel.publish(*names, playlist=f"{variant}/i.m3u8")
        channel.wait(2.0)
    assert channel.timeline == ["1/s0.ts", "1/s1.ts", "1/s2.ts"]
    assert set(channel.outcomes.values()) == {"unselected"}
    assert channel.point.unselected == ("0/s#.ts",)


def test_another_rendition_is_scanned_once_the_chosen_one_is_silent() -> None:
    channel = Channel()
    channel.push(offered=("1/i.m3u8", "0/i.m3u8"))
    for number in range(8):
        for variant in (0, 1) if number < 2 else (0,):
            channel.put(f"{variant}/s{number}.ts")
            names = [f"{variant}/s{one}.ts" for one in range(number + 1)]
            channel.publish(*names, playlist=f"{variant}/i.m3u8")
        channel.wait(2.0)
    assert channel.timeline[:3] == ["1/s0.ts", "1/s1.ts", "-"]
    assert channel.timeline[3] == "|0/s3.ts"
    assert channel.timeline[-1] == "0/s7.ts"


def test_a_rendition_without_pictures_is_not_chosen() -> None:
    channel = Channel()
    for number in range(3):
        channel.put(f"a-{number}.cmfa")
        channel.put(f"v-{number}.cmfv")
        channel.wait(2.0)
    assert channel.timeline == ["v-0.cmfv", "v-1.cmfv", "v-2.cmfv"]


def test_a_rendition_with_pictures_is_waited_for_and_preferred() -> None:
    channel = Channel()
    for number in range(10):
        channel.put(f"a-{number}.cmfa")
        if number >= 7:
            channel.put(f"v-{number}.cmfv")
        channel.wait(2.0)
        assert number != 4 or channel.changes == []
    assert channel.timeline[-2:] == ["|v-8.cmfv", "v-9.cmfv"]
    assert channel.point.chosen == "v-#.cmfv"


def test_a_segment_waits_for_its_init_segment() -> None:
    channel = Channel()
    channel.put("index0.m4s", needs_init=True)
    channel.publish("index0.m4s")
    channel.wait(4.0)
    assert channel.timeline == []
    channel.put_init("init.mp4")
    assert channel.timeline == ["index0.m4s"]


def test_a_segment_whose_init_segment_never_comes_is_a_gap_after_ten_seconds() -> None:
    channel = Channel()
    channel.put("index0.m4s", needs_init=True)
    channel.publish("index0.m4s")
    channel.wait(10.5)
    assert channel.timeline == ["-"]
    assert channel.outcomes == {"index0.m4s": "no_init"}


def test_a_segment_has_the_init_segment_that_was_complete_when_its_request_began() -> None:
    channel = Channel()
    channel.put_init("init.mp4", "first")
    channel.put_init("init.mp4", "second")
    channel.put("index0.m4s", needs_init=True, after=1)
    channel.put("index1.m4s", needs_init=True, after=2)
    channel.publish("index0.m4s", "index1.m4s")
    placed = [one for one in channel.decided if isinstance(one, PlaceSegment)]
    assert [one.init for one in placed] == [1, 2]


def test_a_channel_that_falls_silent_stalls_after_15_s_and_ends_60_s_later() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    channel.wait(12.5)
    assert channel.changes == ["live"]
    channel.wait(1.0)
    assert channel.changes == ["live", "stalled"]
    channel.wait(58.0)
    assert channel.ends == []
    channel.wait(2.0)
    assert [(one.last_sequence, one.reason) for one in channel.ends] == [(2, "disconnected")]
    assert channel.changes == ["live", "stalled", "ended"]


def test_a_channel_that_resumes_within_the_minute_keeps_its_stream() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    channel.wait(50.0)
    hls(channel, 0, 1)
    assert channel.changes == ["live", "stalled", "live"]
    assert len(channel.streams) == 1
    assert channel.timeline[-2:] == ["|index0.ts", "index1.ts"]


def test_the_brand_of_a_last_segment_ends_the_publication() -> None:
    channel = Channel()
    channel.put("v-0.cmfv")
    channel.put("v-1.cmfv", is_last=True)
    channel.wait(13.0)
    assert channel.timeline == ["v-0.cmfv", "v-1.cmfv"]
    assert [one.reason for one in channel.ends] == ["ended"]


def test_a_last_segment_that_comes_just_after_the_end_is_part_of_it() -> None:
    channel = Channel()
    for number in range(2):
        channel.put(f"hook/s-{number}.flv")
        channel.wait(4.0)
    channel.push(Listing(rendition="hook", series=("hook/s-#.flv",), ended=True))
    channel.put("hook/s-2.flv")
    channel.wait(11.0)
    assert channel.timeline == [f"hook/s-{number}.flv" for number in range(3)]
    assert channel.changes == ["live", "ended"]


def test_an_object_that_was_not_kept_is_a_gap_where_it_is_named() -> None:
    channel = Channel()
    hls(channel, 0, 0)
    channel.put("index1.ts", problem="limit_bytes")
    channel.publish("index0.ts", "index1.ts")
    (lost,) = [one for one in channel.decided if isinstance(one, PlaceLost)]
    assert (lost.sequence, lost.kind, lost.reason) == (1, "limit_bytes", "undecodable")


def test_what_was_pushed_while_nobody_looked_is_decided_as_if_somebody_had() -> None:
    channel = Channel()
    hls(channel, 0, 2)
    channel.now += 200.0
    channel.put("index0.ts", "other")
    assert [one.reason for one in channel.ends] == ["disconnected"]
    assert len(channel.streams) == 2


def test_representations_of_an_mpd_are_told_apart_by_their_templates() -> None:
    channel = Channel()
    for number in range(1, 4):
        for track in (0, 1):
            channel.put(f"chunk-{track}-{number}.m4s", needs_init=True)
        channel.push(
            Listing(rendition="s.mpd#0", series=("chunk-0-#.m4s",), init="init-0.m4s"),
            Listing(rendition="s.mpd#1", series=("chunk-1-#.m4s",), init="init-1.m4s"),
            offered=("s.mpd#1", "s.mpd#0"),
        )
        if number == 1:
            channel.put_init("init-0.m4s")
            channel.put_init("init-1.m4s")
        channel.wait(2.0)
    assert channel.timeline == [f"chunk-1-{number}.m4s" for number in range(1, 4)]
