"""Decode GOPs just as far as the wanted frames require.

Between two GOPs the decoder is in one of two states. It is *empty* where the next GOP begins with a
keyframe; it *carries* frames and references where a GOP was cut and its next piece continues:

    state       event                              action                                next state
    --------    -------------------------------    ----------------------------------    ----------
    empty       decode: GOP is not continued       feed up to the last wanted, drain     empty
    empty       decode: another piece follows      feed all packets                      carrying
    carrying    push_out: the window ends          feed packets of the next piece, up    carrying
                                                   to 17, until all wanted are out; keep
                                                   frames of the next window as early
    carrying    decode: another piece follows      take the early frames, feed the rest  carrying
    carrying    decode: the last piece             take the early frames, feed up to     empty
                                                   the last wanted, drain
    carrying    drain: the last piece was not      drain                                 empty
                decoded, as nothing is wanted

With the ``keyframes`` strategy nothing is carried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from av.video.frame import VideoFrame

from scanner.media.decoder import PacketDecoder
from scanner.media.gops import LOOKAHEAD, Gop, VideoPacket
from scanner.media.open import OpenMedia
from scanner.media.request import DecodeRequest

__all__ = ["GopDecoder", "WantedFrame"]

WantedFrame = tuple[int, VideoFrame]
"""The tick at which a wanted frame begins, and the frame."""


class GopDecoder:
    """Decodes the wanted frames of one track, GOP by GOP (see the module's table).

    Every iterator that a method returns must be read to its end.
    """

    def __init__(self, media: OpenMedia, request: DecodeRequest) -> None:
        self._decoder = PacketDecoder(media.codec, request.sampling.between, request.limits)
        self._has_timed_packets = media.has_timed_packets
        self._may_carry = request.sampling.strategy != "keyframes"
        self._wanted: set[int] = set()
        self._early: list[VideoFrame] = []
        """Frames of the window that has not begun yet."""

    @property
    def has_wanted(self) -> bool:
        """Whether wanted frames have not come out yet."""
        return bool(self._wanted)

    def carries_over(self, cut: bool) -> bool:
        """Return whether the decoder's state is needed beyond a border between GOPs; ``cut`` says
        that the border is inside a GOP."""
        return cut and self._may_carry

    def want(self, frames: Iterable[int]) -> None:
        """Add the starts of frames to those that are wanted."""
        self._wanted.update(frames)

    def give_up_wanted(self) -> frozenset[int]:
        """Return the wanted frames that did not come out, and want them no longer."""
        missing = frozenset(self._wanted)
        self._wanted.clear()
        return missing

    def decode(self, gop: Gop, picks: Sequence[int]) -> Iterator[WantedFrame]:
        """Yield the wanted frames that come out while the GOP is decoded up to the last of its
        picks, or to its end where another piece continues from there.

        Frames that no other references are skipped if that is possible, and if no packet is lost:
        after a loss, a decoder that gets every packet shows other frames. If it turns out that
        picks are missing because a frame did reference them, the GOP is decoded once more in full;
        and if they are missing because their picture needs later packets, once more with those.
        """
        needed = None if self.carries_over(gop.continued) else frozenset(picks)
        if gop.begins_decoding:
            self._decoder.skip_unreferenced()
        is_certain = self._has_timed_packets and set(picks).issubset(gop.anchors)
        if not is_certain or (len(picks) > 1 and gop.lacks_packets):
            self._decoder.skip_nothing()
        errors = self._decoder.errors
        yield from self._feed(gop, needed)
        if (
            gop.begins_decoding
            and len(picks) > 1
            and self._lacks(picks, needed)
            and self._decoder.is_skipping
            and self._decoder.errors == errors
        ):
            self._decoder.drain()
            self._decoder.skip_nothing()
            yield from self._feed(gop, needed)
        if (
            gop.begins_decoding
            and needed
            and self._lacks(picks, needed)
            and self._decoder.errors == errors
        ):
            self._decoder.skip_nothing()
            yield from self._feed(gop, needed, more=LOOKAHEAD)

    def decode_again(self, gop: Gop, ticks: int) -> Iterator[WantedFrame]:
        """Decode a GOP once more to get one more frame of it."""
        self._decoder.drain()
        self._wanted.add(ticks)
        yield from self._feed(gop, frozenset((ticks,)))

    def push_out(self, following: Gop, end: int) -> Iterator[WantedFrame]:
        """Yield the wanted frames of a window that ends at ``end`` inside a GOP.

        Frames come out a few packets late: packets of the ``following`` piece push them out.
        """
        for packet in following.packets[:LOOKAHEAD]:
            if not self._wanted:
                return
            following.fed += 1
            yield from self._select_and_keep_early(self._decoder.feed(packet), end)
        if self._wanted and not (following.fed < len(following.packets) or following.continued):
            yield from self._select_and_keep_early(self._decoder.drain(), end)

    def drain(self) -> Iterator[WantedFrame]:
        """Yield the wanted frames that are still inside the decoder."""
        return self._select(self._decoder.drain())

    def _lacks(self, picks: Sequence[int], needed: frozenset[int] | None) -> bool:
        """Return whether picks are missing that were thought to depend on no skipped frame: any of
        them, or all of them where some may still come."""
        return (
            self._wanted.issuperset(picks[1:])
            if needed is None
            else not self._wanted.isdisjoint(picks)
        )

    def _feed(
        self, gop: Gop, needed: frozenset[int] | None, *, more: int = 0
    ) -> Iterator[WantedFrame]:
        """Feed packets until the ``needed`` ones and some ``more`` are in, and drain; or feed all
        packets, so that the next piece can continue.

        Without the drain, H.264 would lose keyframes of open GOPs that are fed without the frames
        between them, because its counter of frames wraps.
        """
        yield from self._select(self._early)
        self._early.clear()
        left = set(needed or ())
        packets = gop.packets[gop.fed :]
        for index, packet in enumerate(packets, 1):
            yield from self._select(self._decoder.feed(packet))
            left.discard(packet.pts or 0)
            if needed is None or left or _is_continued(packet, packets[index : index + 1]):
                continue
            if more <= 0:
                break
            more -= 1
        if needed is not None:
            yield from self._select(self._decoder.drain())

    def _select_and_keep_early(
        self, frames: Sequence[VideoFrame], end: int
    ) -> Iterator[WantedFrame]:
        yield from self._select(frames)
        self._early.extend(f for f in frames if f.pts is not None and f.pts >= end)

    def _select(self, frames: Iterable[VideoFrame]) -> Iterator[WantedFrame]:
        """Yield the frames that are wanted, and want them no longer."""
        for frame in frames:
            if frame.pts in self._wanted:
                self._wanted.remove(frame.pts)
                yield frame.pts, frame


def _is_continued(packet: VideoPacket, following: Sequence[VideoPacket]) -> bool:
    """Return whether the packet after it holds the other field of its frame."""
    return bool(following) and following[0].pts == packet.pts
