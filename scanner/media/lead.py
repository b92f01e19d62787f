"""The packets of earlier segments that a segment needs which does not begin with a keyframe.

A packager that cuts by time instead of at keyframes leaves the start of a GOP in one segment and
its rest in the next ones. Decoding then begins in the segment with the keyframe.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import BinaryIO

from scanner.errors import FormatError, InputError
from scanner.media.gops import LOOKAHEAD, PacketFacts, VideoPacket
from scanner.media.limits import MediaLimits
from scanner.media.open import OpenMedia, measure_size, open_media, prepend_init, sniff_source
from scanner.media.packet_facts import PacketInspector
from scanner.media.packet_reader import PacketReader
from scanner.media.picture_parts import split_pictures
from scanner.media.sniff import Container

__all__ = ["LeadReader"]

log = logging.getLogger(__name__)


class LeadReader:
    """Reads the segments before one, which have the same init segment."""

    def __init__(
        self, previous: Sequence[BinaryIO], init: bytes | None, limits: MediaLimits
    ) -> None:
        self._previous = previous
        self._init = init
        self._limits = limits

    def read(self, media: OpenMedia, inspector: PacketInspector) -> list[VideoPacket]:
        """Return the packets from the last keyframe before ``media`` on; nothing if they cannot be
        read, are too many, or are not of the same kind.

        ``inspector`` is that of the segment, which so knows the parameter sets before it.
        """
        if sum(measure_size(source) for source in self._previous) > self._limits.max_gop_bytes:
            log.debug("segments before are too large", extra={"source": media.name})
            return []
        gops = _LatestGops()
        try:
            for source in self._previous:
                self._read_segment(prepend_init(source, self._init), gops, media, inspector)
        except InputError as error:
            log.debug(
                "segment before not readable", extra={"source": media.name, "error": str(error)}
            )
            return []
        return gops.packets()

    def _read_segment(
        self, source: BinaryIO, gops: _LatestGops, media: OpenMedia, inspector: PacketInspector
    ) -> None:
        kind = sniff_source(source, media.name)
        if kind is not media.kind:
            raise FormatError(f"{media.name}: {media.kind.name} after {kind.name}")
        followed = split_pictures(source)[-1].source if kind is Container.MPEGTS else source
        with open_media(followed, kind, self._limits, media.name) as before:
            if before.codec.name != media.codec.name:
                raise FormatError(f"{media.name}: {media.codec.name} after {before.codec.name}")
            for packet in PacketReader(before, self._limits):
                gops.add(*inspector.inspect(packet))


class _LatestGops:
    """The packets of the latest GOP, and of the one before it: frames right after a keyframe may be
    shown before it, and need that one."""

    def __init__(self) -> None:
        self._before: list[VideoPacket] = []
        self._latest: list[VideoPacket] = []

    def add(self, packet: VideoPacket, facts: PacketFacts) -> None:
        begins = packet.is_keyframe and not facts.second_field
        if begins and not (facts.recovery and self._latest):
            self._before, self._latest = self._latest, [packet]
        elif self._latest:
            self._latest.append(packet)

    def packets(self) -> list[VideoPacket]:
        """Return the packets from which decoding can continue after the last one."""
        if len(self._latest) > LOOKAHEAD:
            return self._latest
        return [*self._before, *self._latest]
