"""Cut files into segments, as an encoder would send them, to play real video as if it were live.

Whatever ``scan`` reads can be cut: what FFmpeg cannot copy or decode by itself, as animated WebP,
is decoded by the scanner and encoded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from scanner.errors import NoVideoError, ScannerError
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.sources.folder import is_young, may_grow
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.sources.search import MEDIA_SUFFIXES, FilesRead, search_folder
from scanner.types import Fit, FrameSpec, MediaInfo

__all__ = ["cut_into_segments", "is_still", "list_media"]

SECONDS_OF_SEGMENT = 2
MOST_NAMED: Final = 20
"""Files that are left out for their names and named each."""
IN_TS = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs that are copied; others are encoded as H.264, because MPEG-TS does not carry them."""
WITH_DTS = ("mov", "mpegts")
"""Demuxers that know when each packet is decoded; Matroska does not store it, and MPEG-TS needs
it."""
RATE: Final = 10
"""Frames a second of what the scanner decodes."""


def list_media(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files and playlists that a scan of a folder reads, by name, and a message for
    everything that it leaves out."""
    found, read, limits = search_folder(folder), FilesRead(), FetchLimits()
    playlists: list[str] = []
    left_out: list[str] = []
    growing = [path for path in found.playlists if may_grow(Path(path), limits)]
    for path in found.playlists:
        try:
            pieces = () if path in growing else tuple(follow_playlist(Path(path), limits))
        except ScannerError as error:
            left_out.append(str(error))
            continue
        for piece in pieces:
            read.add(piece)
        playlists.append(path)
    files = [path for path in found.files if path not in read]
    if growing:
        young = [path for path in files if is_young(Path(path), limits)]
        left_out += [f"{path}: new, and so taken for a segment of {growing[0]}" for path in young]
        files = [path for path in files if path not in young]
    left_out += _list_others(folder)
    return {
        Path(path).relative_to(folder).as_posix(): Path(path) for path in (*playlists, *files)
    }, left_out


def _list_others(folder: Path) -> list[str]:
    """Return a message for each file that has no name of media, or for the first of them."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() not in MEDIA_SUFFIXES and not path.is_dir()
    )
    named = [f"{path}: not named as media" for path in found[:MOST_NAMED]]
    more = len(found) - len(named)
    return [*named, f"{folder}: {more} more not named as media"] if more else named


def is_still(file: Path) -> bool:
    """Return whether a file is a single picture.

    Raises:
        InputError: it cannot be read.
    """
    return _probe(file).still


def cut_into_segments(file: Path, out: Path) -> Path:
    """Cut a video into segments in the folder ``out``, and return their playlist.

    Raises:
        InputError: it has no picture that can be decoded.
    """
    out.mkdir(parents=True, exist_ok=True)
    playlist = out / "index.m3u8"
    try:
        with (
            av.open(str(file), metadata_errors="replace") as source,
            _open_target(playlist) as target,
        ):
            if _cut(source, target):
                return playlist
    except FFmpegError:
        pass  # the scanner reads more than FFmpeg does, or says what is wrong
    with _open_target(playlist) as target:
        _encode_samples(file, target)
    return playlist


def _open_target(playlist: Path) -> OutputContainer:
    options = {
        "hls_time": str(SECONDS_OF_SEGMENT),
        "hls_list_size": "0",
        "hls_playlist_type": "vod",
        "hls_segment_filename": f"{playlist.parent}/%05d.ts",
    }
    return av.open(str(playlist), "w", format="hls", options=options)


def _cut(source: InputContainer, target: OutputContainer) -> bool:
    """Copy or encode the pictures; return whether there were any."""
    if not source.streams.video:
        return False
    pictures = source.streams.video[0]
    if pictures.codec_context.name in IN_TS and source.format.name.startswith(WITH_DTS):
        return _copy(source, pictures, target)
    encoder = _add_encoder(target, pictures.width, pictures.height, pictures.average_rate)
    assert pictures.time_base is not None
    # A guessed frame rate would round frames onto each other.
    encoder.codec_context.time_base = pictures.time_base
    frames = 0
    for frame in source.decode(pictures):
        frame.pict_type = PictureType.NONE
        target.mux(encoder.encode(frame))
        frames += 1
    target.mux(encoder.encode(None))
    return frames > 0


def _copy(source: InputContainer, pictures: VideoStream, target: OutputContainer) -> bool:
    copy = target.add_stream_from_template(pictures)
    packets = 0
    for packet in source.demux(pictures):
        if packet.dts is not None:
            packet.stream = copy
            target.mux(packet)
            packets += 1
    return packets > 0


def _add_encoder(
    target: OutputContainer, width: int, height: int, rate: Fraction | int | None
) -> VideoStream:
    options = {"preset": "veryfast", "g": "60", "bf": "0"}
    encoder = target.add_stream("libx264", rate=rate, options=options)
    encoder.width, encoder.height, encoder.pix_fmt = width & ~1, height & ~1, "yuv420p"
    return encoder


def _probe(file: Path) -> MediaInfo:
    with file.open("rb") as source:
        for window in decode_windows(source, DecodeRequest(specs=()), name=str(file)):
            return window.info
    raise NoVideoError(f"{file}: no picture")


def _encode_samples(file: Path, target: OutputContainer) -> None:
    info = _probe(file)
    encoder = _add_encoder(target, info.width, info.height, RATE)
    for picture in _pictures(file, info.width & ~1, info.height & ~1):
        target.mux(encoder.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    target.mux(encoder.encode(None))


def _pictures(file: Path, width: int, height: int) -> Iterator[np.ndarray]:
    """Yield the pictures of a file at ``RATE`` a second."""
    spec = FrameSpec(width=width, height=height, fit=Fit.SQUASH)
    every = Sampling(strategy="every", every=Fraction(1, RATE))
    shown = 0
    with file.open("rb") as source:
        for window in decode_windows(
            source, DecodeRequest(specs=(spec,), sampling=every), name=str(file)
        ):
            for sample in window.samples:
                due = int((window.begins + sample.at) * RATE)
                for _ in range(max(1, due - shown + 1)):
                    yield sample.images[spec]
                    shown += 1
    if not shown:
        raise NoVideoError(f"{file}: no picture that can be decoded")
