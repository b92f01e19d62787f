"""Make each keyframe's packet complete, and tell what else the order of decoding depends on.

A decoder keeps state between packets: the codec's configuration and the parameter sets. Sampling
leaves packets out, so whatever a packet left out has changed must reach the decoder with the next
keyframe. What becomes of a packet, in this order:

    packet                                    action
    --------------------------------------    ------------------------------------------------------
    brings a new configuration                remember it (FLV, MP4: AV_PKT_DATA_NEW_EXTRADATA)
    keyframe after such a change              attach the configuration
    brings parameter sets                     remember them
    keyframe without parameter sets, after    put the newest ones before it
    any that the configuration lacks
    second field of an H.264 field pair       tell, as it shows no frame of its own
    H.264 recovery point                      tell after how many frames the picture is complete
"""

from __future__ import annotations

import re
from typing import Final, cast

from av.packet import Packet, PacketSideData
from av.video.codeccontext import VideoCodecContext

from scanner.media.gops import ORDINARY_PACKET, PacketFacts, VideoPacket
from scanner.media.nal_units import (
    H264_IDR,
    H264_SPS,
    HEVC_SPS,
    BitReader,
    SequenceParameters,
    find_recovery,
    h264_type,
    hevc_type,
    is_h264_set,
    is_hevc_set,
    read_field,
    read_sequence,
    split_lengths,
    split_start_codes,
)

__all__ = ["PacketInspector", "prepend"]

_HEAD_BYTES: Final = 4096
"""Bytes in which the parameter sets and messages before a keyframe's first slice lie."""
_SHORT_HEAD_BYTES: Final = 96
"""Bytes of another packet that are searched for parameter sets, which come before its slices."""
_H264_SETS = re.compile(b"\0\0\1[\x07\x08\x27\x28\x47\x48\x67\x68]")
_HEVC_SETS = re.compile(b"\0\0\1[\x40-\x45]")
"""A start code and the first byte of a parameter set."""
_MPEG_HEADERS: Final = {
    "mpeg1video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
    "mpeg2video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
}
"""Start code of the sequence header, and those that end it, by codec."""

_SetKey = tuple[int, int]
"""Type and number of a parameter set."""


class PacketInspector:
    """Inspects and completes the packets of one track, in their order (see the module's table)."""

    def __init__(self, codec: VideoCodecContext, *, is_configured_in_band: bool = False) -> None:
        """``is_configured_in_band`` says that the container has its codec's configuration in the
        bitstream only, as MPEG-TS, so that packets need not be searched for others."""
        self._codec = codec.name
        self._may_be_configured = not is_configured_in_band
        self._configuration = bytes(codec.extradata or b"")
        self._new_configuration: PacketSideData | None = None
        self._length_bytes = self._measure_lengths()
        self._sets: dict[_SetKey, bytes] = {}
        self._has_new_sets = False
        """True once parameter sets came that the configuration lacks."""
        self._has_changed = False
        """True from a change of configuration or sequence parameters to the next keyframe."""
        self._sequence: SequenceParameters | None = None
        self._first_field: tuple[int, bool] | None = None
        """Frame number and parity of a field whose second one may follow."""
        if self._codec == "h264":
            self._read_configuration()

    def inspect(self, packet: VideoPacket) -> tuple[VideoPacket, PacketFacts]:
        """Return the packet, completed if it is a keyframe's, and the facts about it."""
        if self._may_be_configured:
            self._take_configuration(packet)
        second_field, recovery = False, 0
        is_field = False
        if self._codec in ("h264", "hevc"):
            units = self._read_units(packet)
            if not (units or packet.is_keyframe):
                return packet, ORDINARY_PACKET
            packet = self._take_sets(packet, units)
            if self._codec == "h264" and units:
                second_field, is_field = self._pair_fields(units)
                recovery = find_recovery(units) if packet.is_keyframe else 0
        elif self._codec in _MPEG_HEADERS and packet.is_keyframe:
            packet = self._take_sequence_header(packet)
        changed = packet.is_keyframe and self._has_changed
        if packet.is_keyframe:
            self._has_changed = False
        if not (changed or second_field or is_field or recovery):
            return packet, ORDINARY_PACKET
        return packet, PacketFacts(
            changed=changed, field=is_field, second_field=second_field, recovery=recovery
        )

    def _take_configuration(self, packet: VideoPacket) -> None:
        if packet.has_sidedata("new_extradata"):
            side_data = packet.get_sidedata("new_extradata")
            configuration = bytes(side_data)
            self._has_changed |= configuration != self._configuration
            self._configuration, self._new_configuration = configuration, side_data
            self._length_bytes = self._measure_lengths()
            self._sets.clear()
            self._has_new_sets = False
            if self._codec == "h264":
                self._read_configuration()
        elif self._new_configuration is not None and packet.is_keyframe:
            packet.set_sidedata(self._new_configuration)

    def _measure_lengths(self) -> int:
        """Return how many bytes give the length of a unit; 0 where start codes separate them."""
        at = {"h264": 4, "hevc": 21}.get(self._codec, 0)
        is_record = self._configuration[:1] == b"\1" and len(self._configuration) > at
        return (self._configuration[at] & 3) + 1 if is_record else 0

    def _read_configuration(self) -> None:
        """Read the sequence parameters that the configuration of H.264 holds."""
        data = self._configuration
        if self._length_bytes:
            size = int.from_bytes(data[6:8]) if data[5:6] and data[5] & 31 else 0
            units = [(H264_SPS, data[8 : 8 + size])] if size else []
        else:
            units = [unit for unit in split_start_codes(data, h264_type) if unit[0] == H264_SPS]
        for _, unit in units[:1]:
            self._sequence = read_sequence(unit)

    # Units of H.264 and HEVC

    def _read_units(self, packet: VideoPacket) -> list[tuple[int, bytes]]:
        """Return type and bytes of each unit up to the first slice, which is cut short."""
        wanted = packet.is_keyframe or (self._sequence is not None and self._sequence.has_fields)
        head = bytes(memoryview(packet)[: _HEAD_BYTES if wanted else _SHORT_HEAD_BYTES])
        is_h264 = self._codec == "h264"
        type_of = h264_type if is_h264 else hevc_type
        if not (wanted or self._length_bytes):
            # Most packets hold a slice and nothing else: one search tells, and costs a tenth.
            sets = _H264_SETS if is_h264 else _HEVC_SETS
            if sets.search(head) is None:
                return []
        if self._length_bytes:
            return list(split_lengths(head, self._length_bytes, type_of))
        return list(split_start_codes(head, type_of))

    def _take_sets(self, packet: VideoPacket, units: list[tuple[int, bytes]]) -> VideoPacket:
        is_set, sequence_type = (
            (is_h264_set, H264_SPS) if self._codec == "h264" else (is_hevc_set, HEVC_SPS)
        )
        found = [unit for unit in units if is_set(unit[0])]
        for kind, unit in found:
            self._take_set(kind, unit, is_sequence=kind == sequence_type)
        if (
            packet.is_keyframe
            and self._has_new_sets
            and not any(kind == sequence_type for kind, _ in found)
        ):
            return self._complete(packet, {self._key(kind, unit) for kind, unit in found})
        return packet

    def _take_set(self, kind: int, unit: bytes, *, is_sequence: bool) -> None:
        key = self._key(kind, unit)
        before = self._sets.get(key)
        if before == unit:
            return
        is_new = unit not in self._configuration
        self._has_new_sets |= is_new
        if is_sequence:
            self._has_changed |= is_new if before is None else True
            if self._codec == "h264":
                self._sequence = read_sequence(unit)
        self._sets[key] = unit

    def _key(self, kind: int, unit: bytes) -> _SetKey:
        """Return the key of a parameter set; HEVC's are taken to have one of each type."""
        if self._codec != "h264":
            return kind, 0
        try:
            return kind, BitReader(unit[4 if kind == H264_SPS else 1 :][:8]).read_exponential()
        except ValueError:
            return kind, 0

    def _complete(self, packet: VideoPacket, present: set[_SetKey]) -> VideoPacket:
        """Return a keyframe's packet with the parameter sets before it that are not in it."""
        sets = [unit for key, unit in sorted(self._sets.items()) if key not in present]
        size = self._length_bytes
        lead = b"".join((len(unit).to_bytes(size) if size else b"\0\0\0\1") + unit for unit in sets)
        return prepend(packet, lead)

    def _take_sequence_header(self, packet: VideoPacket) -> VideoPacket:
        """Do the same for MPEG-1 and MPEG-2, whose sequence header comes before a keyframe."""
        start_code, ends = _MPEG_HEADERS[self._codec]
        head = bytes(memoryview(packet)[:_HEAD_BYTES])
        start = head.find(start_code)
        if start < 0:
            return prepend(packet, self._sets[0, 0]) if self._has_new_sets else packet
        end = min((at for code in ends if (at := head.find(code, start)) >= 0), default=0)
        before, header = self._sets.get((0, 0)), head[start:end]
        if end and header != before:
            is_change = before is not None
            self._has_new_sets |= is_change
            self._has_changed |= is_change
            self._sets[0, 0] = header
        return packet

    # Fields and recovery points of H.264

    def _pair_fields(self, units: list[tuple[int, bytes]]) -> tuple[bool, bool]:
        """Return whether the packet is the second field of a pair, and whether it is a field."""
        kind, unit = units[-1]
        if self._sequence is None or not self._sequence.has_fields or not 1 <= kind <= H264_IDR:
            return False, False
        field = read_field(unit, self._sequence)
        before, self._first_field = self._first_field, field
        if field is None or before is None or before[0] != field[0] or before[1] == field[1]:
            return False, field is not None
        self._first_field = None
        return True, True


def prepend(packet: VideoPacket, lead: bytes) -> VideoPacket:
    """Return a packet with more bytes before those of another one."""
    longer = cast(VideoPacket, Packet(lead + bytes(packet)))
    longer.stream = packet.stream
    longer.time_base = packet.time_base
    longer.pts, longer.dts, longer.duration = packet.pts, packet.dts, packet.duration
    longer.is_keyframe = packet.is_keyframe
    if packet.has_sidedata("new_extradata"):
        longer.set_sidedata(packet.get_sidedata("new_extradata"))
    return longer
