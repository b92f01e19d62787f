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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

from av.packet import Packet, PacketSideData
from av.video.codeccontext import VideoCodecContext

from scanner.media.gops import ORDINARY_PACKET, PacketFacts, VideoPacket

__all__ = ["PacketInspector"]

_HEAD_BYTES: Final = 4096
"""Bytes in which the parameter sets and messages before a keyframe's first slice lie."""
_SHORT_HEAD_BYTES: Final = 96
"""Bytes of another packet that are searched for parameter sets, which come before its slices."""
_H264_SETS = re.compile(b"\0\0\1[\x07\x08\x27\x28\x47\x48\x67\x68]")
_HEVC_SETS = re.compile(b"\0\0\1[\x40-\x45]")
"""A start code and the first byte of a parameter set."""
_START_CODE = re.compile(b"\0\0\1(?=.)", re.DOTALL)
_IDR, _SEI, _SPS, _PPS = 5, 6, 7, 8
_HEVC_SPS = 33
_RECOVERY_POINT: Final = 6
"""Type of the SEI message that announces when the picture is complete."""
_PROFILES_WITH_CHROMA: Final = frozenset(
    {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
)
"""H.264 profiles whose sequence parameter set has fields for chroma and scaling."""
_MPEG_HEADERS: Final = {
    "mpeg1video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
    "mpeg2video": (b"\0\0\1\xb3", (b"\0\0\1\xb8", b"\0\0\1\0")),
}
"""Start code of the sequence header, and those that end it, by codec."""

_TypeOf = Callable[[int], int]
_SetKey = tuple[int, int]
"""Type and number of a parameter set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SequenceParameters:
    """The fields of an H.264 sequence parameter set that are needed to read the start of a
    slice."""

    frame_num_bits: int
    has_separate_planes: bool
    has_fields: bool
    """True if a picture may be a single field."""


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
        self._sequence: _SequenceParameters | None = None
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
                recovery = _find_recovery(units) if packet.is_keyframe else 0
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
            units = [(_SPS, data[8 : 8 + size])] if size else []
        else:
            units = [unit for unit in _split_start_codes(data, _h264_type) if unit[0] == _SPS]
        for _, unit in units[:1]:
            self._sequence = _read_sequence(unit)

    # Units of H.264 and HEVC

    def _read_units(self, packet: VideoPacket) -> list[tuple[int, bytes]]:
        """Return type and bytes of each unit up to the first slice, which is cut short."""
        wanted = packet.is_keyframe or (self._sequence is not None and self._sequence.has_fields)
        head = bytes(memoryview(packet)[: _HEAD_BYTES if wanted else _SHORT_HEAD_BYTES])
        is_h264 = self._codec == "h264"
        type_of = _h264_type if is_h264 else _hevc_type
        if not (wanted or self._length_bytes):
            # Most packets hold a slice and nothing else: one search tells, and costs a tenth.
            sets = _H264_SETS if is_h264 else _HEVC_SETS
            if sets.search(head) is None:
                return []
        if self._length_bytes:
            return list(_split_lengths(head, self._length_bytes, type_of))
        return list(_split_start_codes(head, type_of))

    def _take_sets(self, packet: VideoPacket, units: list[tuple[int, bytes]]) -> VideoPacket:
        is_set, sequence_type = (
            (_is_h264_set, _SPS) if self._codec == "h264" else (_is_hevc_set, _HEVC_SPS)
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
                self._sequence = _read_sequence(unit)
        self._sets[key] = unit

    def _key(self, kind: int, unit: bytes) -> _SetKey:
        """Return the key of a parameter set; HEVC's are taken to have one of each type."""
        if self._codec != "h264":
            return kind, 0
        try:
            return kind, _Bits(unit[4 if kind == _SPS else 1 :][:8]).read_exponential()
        except ValueError:
            return kind, 0

    def _complete(self, packet: VideoPacket, present: set[_SetKey]) -> VideoPacket:
        """Return a keyframe's packet with the parameter sets before it that are not in it."""
        sets = [unit for key, unit in sorted(self._sets.items()) if key not in present]
        size = self._length_bytes
        lead = b"".join((len(unit).to_bytes(size) if size else b"\0\0\0\1") + unit for unit in sets)
        return _prepend(packet, lead)

    def _take_sequence_header(self, packet: VideoPacket) -> VideoPacket:
        """Do the same for MPEG-1 and MPEG-2, whose sequence header comes before a keyframe."""
        start_code, ends = _MPEG_HEADERS[self._codec]
        head = bytes(memoryview(packet)[:_HEAD_BYTES])
        start = head.find(start_code)
        if start < 0:
            return _prepend(packet, self._sets[0, 0]) if self._has_new_sets else packet
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
        if self._sequence is None or not self._sequence.has_fields or not 1 <= kind <= _IDR:
            return False, False
        field = _read_field(unit, self._sequence)
        before, self._first_field = self._first_field, field
        if field is None or before is None or before[0] != field[0] or before[1] == field[1]:
            return False, field is not None
        self._first_field = None
        return True, True


def _prepend(packet: VideoPacket, lead: bytes) -> VideoPacket:
    """Return a packet with more bytes before those of another one."""
    longer = cast(VideoPacket, Packet(lead + bytes(packet)))
    longer.stream = packet.stream
    longer.time_base = packet.time_base
    longer.pts, longer.dts, longer.duration = packet.pts, packet.dts, packet.duration
    longer.is_keyframe = packet.is_keyframe
    if packet.has_sidedata("new_extradata"):
        longer.set_sidedata(packet.get_sidedata("new_extradata"))
    return longer


def _h264_type(first: int) -> int:
    return first & 31


def _hevc_type(first: int) -> int:
    """Return the unit's type, slices as 1 to have them ended as H.264's are."""
    kind = first >> 1 & 63
    return 1 if kind < 32 else kind


def _is_h264_set(kind: int) -> bool:
    return kind in (_SPS, _PPS)


def _is_hevc_set(kind: int) -> bool:
    return 32 <= kind <= 34


def _split_start_codes(data: bytes, type_of: _TypeOf) -> Iterator[tuple[int, bytes]]:
    starts = [match.end() for match in _START_CODE.finditer(data)]
    for start, following in pairwise([*starts, len(data) + 3]):
        kind = type_of(data[start])
        yield kind, data[start : following - 3].rstrip(b"\0")
        if 1 <= kind <= _IDR:
            return


def _split_lengths(data: bytes, size: int, type_of: _TypeOf) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + size < len(data):
        end = at + size + int.from_bytes(data[at : at + size])
        kind = type_of(data[at + size])
        yield kind, data[at + size : end]
        if 1 <= kind <= _IDR or end <= at + size:
            return
        at = end


def _find_recovery(units: list[tuple[int, bytes]]) -> int:
    """Return after how many frames the picture is complete; 0 for a true keyframe."""
    if units[-1][0] == _IDR:
        return 0
    for kind, unit in units:
        if kind == _SEI:
            for message, payload in _split_messages(_unescape(unit[1:])):
                if message == _RECOVERY_POINT:
                    try:
                        return _Bits(payload).read_exponential()
                    except ValueError:
                        return 0
    return 0


def _split_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 < len(data):
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(data) and data[at] == 0xFF:
                number, at = number + 255, at + 1
            if at >= len(data):
                return
            numbers.append(number + data[at])
            at += 1
        yield numbers[0], data[at : at + numbers[1]]
        at += numbers[1]


def _unescape(unit: bytes) -> bytes:
    return unit.replace(b"\0\0\3", b"\0\0")


class _Bits:
    """Reads bits from the most significant one on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        """Return an unsigned number.

        Raises:
            ValueError: there are not that many bits.
        """
        self._left -= count
        if self._left < 0:
            raise ValueError("no more bits")
        return self._value >> self._left & ((1 << count) - 1)

    def read_exponential(self) -> int:
        """Return an unsigned Exp-Golomb number.

        Raises:
            ValueError: it is longer than 32 bits, or there are not that many.
        """
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("a number of more than 32 bits")
        return (1 << zeros) - 1 + self.read(zeros)


def _read_sequence(unit: bytes) -> _SequenceParameters | None:
    """Read an H.264 sequence parameter set (7.3.2.1.1 of the standard); None if it is broken."""
    bits, planes = _Bits(_unescape(unit[1:])[:1024]), False
    try:
        profile = bits.read(24) >> 16
        bits.read_exponential()
        if profile in _PROFILES_WITH_CHROMA:
            chroma = bits.read_exponential()
            planes = chroma == 3 and bool(bits.read(1))
            bits.read_exponential()
            bits.read_exponential()
            bits.read(1)
            if bits.read(1):
                for number in range(12 if chroma == 3 else 8):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
        frame_num_bits = bits.read_exponential() + 4
        order = bits.read_exponential()
        if order == 0:
            bits.read_exponential()
        elif order == 1:
            bits.read(1)
            bits.read_exponential()
            bits.read_exponential()
            for _ in range(min(bits.read_exponential(), 255)):
                bits.read_exponential()
        bits.read_exponential()
        bits.read(1)
        bits.read_exponential()
        bits.read_exponential()
        has_fields = not bits.read(1)
    except ValueError:
        return None
    return _SequenceParameters(
        frame_num_bits=frame_num_bits, has_separate_planes=planes, has_fields=has_fields
    )


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    if not bits.read(1):
        return
    last, following = 8, 8
    for _ in range(size):
        if following:
            coded = bits.read_exponential()
            delta = (coded + 1) // 2 if coded % 2 else -(coded // 2)
            following = (last + delta) % 256
        last = following or last


def _read_field(unit: bytes, sequence: _SequenceParameters) -> tuple[int, bool] | None:
    """Return frame number and parity of the field that a slice belongs to; None for a frame."""
    bits = _Bits(_unescape(unit[1:33]))
    try:
        for _ in range(3):
            bits.read_exponential()
        if sequence.has_separate_planes:
            bits.read(2)
        number = bits.read(sequence.frame_num_bits)
        return (number, bool(bits.read(1))) if bits.read(1) else None
    except ValueError:
        return None
