"""Cut files into segments, as an encoder would send them, to play real video as if it were live."""

from __future__ import annotations

from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import PictureType

__all__ = ["cut_into_segments"]

SECONDS_OF_SEGMENT = 2
IN_TS = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs that are copied; others are encoded as H.264, because MPEG-TS does not carry them."""
WITH_DTS = ("mov", "mpegts")
"""Demuxers that know when each packet is decoded; Matroska does not store it, and MPEG-TS needs
it."""
VIDEO = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".ts", ".m4v"})


def cut_into_segments(folder: Path, out: Path) -> dict[str, Path]:
    """Return the playlist of every video in a folder, by the file's name.

    A file that cannot be read is printed and left out.
    """
    playlists = {}
    for file in sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO):
        name = file.relative_to(folder).with_suffix("").as_posix().replace("/", "-")
        try:
            playlists[name] = _cut(file, out / name)
        except FFmpegError as error:
            print(f"{file}: {error}")
    return playlists


def _cut(file: Path, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    playlist = out / "index.m3u8"
    options = {
        "hls_time": str(SECONDS_OF_SEGMENT),
        "hls_list_size": "0",
        "hls_playlist_type": "vod",
        "hls_segment_filename": f"{out}/%05d.ts",
    }
    with (
        av.open(str(file)) as source,
        av.open(str(playlist), "w", format="hls", options=options) as target,
    ):
        pictures = source.streams.video[0]
        if pictures.codec_context.name in IN_TS and source.format.name.startswith(WITH_DTS):
            copy = target.add_stream_from_template(pictures)
            for packet in source.demux(pictures):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
            return playlist
        encoder = target.add_stream(
            "libx264",
            rate=pictures.average_rate,
            options={"preset": "veryfast", "g": "60", "bf": "0"},
        )
        encoder.width, encoder.height, encoder.pix_fmt = (
            pictures.width & ~1,
            pictures.height & ~1,
            "yuv420p",
        )
        assert pictures.time_base is not None
        # A guessed frame rate would round frames onto each other.
        encoder.codec_context.time_base = pictures.time_base
        for frame in source.decode(pictures):
            frame.pict_type = PictureType.NONE
            target.mux(encoder.encode(frame))
        target.mux(encoder.encode(None))
    return playlist
