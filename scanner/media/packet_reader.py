"""Reads the packets of a track, and continues after those that cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from av.error import FFmpegError

from scanner.media.gops import VideoPacket
from scanner.media.limits import MediaLimits
from scanner.media.open import OpenMedia
from scanner.media.sniff import Container

__all__ = ["PacketReader"]

log = logging.getLogger(__name__)


class PacketReader:
    """Reads all packets of the track that can be demuxed.

    Packets that cannot are skipped, a bounded number of times in a row.
    """

    def __init__(self, media: OpenMedia, limits: MediaLimits) -> None:
        self._media = media
        self._limits = limits
        self._tracks_were_added = False

    @property
    def may_have_later_tracks(self) -> bool:
        """Whether the picture may continue in another track of a transport stream."""
        return self._media.kind is Container.MPEGTS and (
            self._tracks_were_added or len(self._media.container.streams.video) > 1
        )

    def __iter__(self) -> Iterator[VideoPacket]:
        failures = 0
        while failures < self._limits.max_errors:
            try:
                for packet in self._media.container.demux(self._media.track):
                    if packet.size:
                        failures = 0
                        yield packet
                return
            except IndexError:  # PyAV's last step, where tracks were added; all packets have come
                self._tracks_were_added = True
                return
            except FFmpegError as error:
                failures += 1
                log.debug(
                    "packet not readable", extra={"source": self._media.name, "error": str(error)}
                )
