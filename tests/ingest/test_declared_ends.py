"""An encoder that declares an end and starts again in time keeps its stream, and its risk."""

from __future__ import annotations

from tests.ingest.build import Channel, hls


def test_reconnecting_every_ten_seconds_keeps_the_stream_even_after_declared_ends() -> None:
    channel = Channel()
    for _ in range(5):
        hls(channel, 0, 2, ended=True)
        channel.wait(4.0)
    assert len(channel.streams) == 1
    assert (
        channel.timeline
        == ["index0.ts", "index1.ts", "index2.ts"]
        + [
            "|index0.ts",
            "index1.ts",
            "index2.ts",
        ]
        * 4
    )


def test_an_encoder_that_sends_the_same_bytes_again_after_each_declared_end_keeps_its_stream() -> (
    None
):
    channel = Channel()
    for _ in range(4):
        for number in range(3):
            channel.put(f"index{number}.ts")
            names = [f"index{one}.ts" for one in range(number + 1)]
            channel.publish(*names, ended=number == 2)
            channel.wait(1.0)
        channel.wait(5.0)
    one_run = ["index0.ts", "index1.ts", "index2.ts"]
    again = ["|index0.ts", "index1.ts", "index2.ts"]

    assert channel.streams == channel.streams[:1]
    assert channel.timeline == one_run + again * 3
    assert channel.ends == []
    channel.wait(10.0)
    assert [(one.last_sequence, one.reason) for one in channel.ends] == [(11, "ended")]


def test_a_declared_end_is_final_after_ten_seconds() -> None:
    channel = Channel()
    hls(channel, 0, 2, ended=True)
    channel.wait(8.5)
    assert [(one.last_sequence, one.reason) for one in channel.ends] == [(2, "ended")]
    hls(channel, 0, 1)
    assert len(channel.streams) == 2
