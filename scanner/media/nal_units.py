"""Read the units of H.264 and HEVC: their types, parameter sets, fields and recovery points.

Only what decides how packets are fed to a decoder is read: ITU-T H.264 sections 7.3.1 to 7.3.3 and
ITU-T H.265 section 7.3.1. All input is untrusted; reads end at the end of the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = [
    "H264_IDR",
    "H264_SPS",
    "HEVC_SPS",
    "BitReader",
    "SequenceParameters",
    "find_recovery",
    "h264_type",
    "hevc_type",
    "is_h264_set",
    "is_hevc_set",
    "read_field",
    "read_h264_sets",
    "read_sequence",
    "split_lengths",
    "split_start_codes",
]

H264_IDR: Final = 5
H264_SPS: Final = 7
HEVC_SPS: Final = 33
"""Types of units: a slice of a true keyframe, and the sequence parameter sets."""
_SEI, _PPS = 6, 8
_START_CODE = re.compile(b"\0\0\1(?=.)", re.DOTALL)
_RECOVERY_POINT: Final = 6
"""Type of the SEI message that announces when the picture is complete."""
_PROFILES_WITH_CHROMA: Final = frozenset(
    {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
)
"""H.264 profiles whose sequence parameter set has fields for chroma and scaling."""

UnitTypeOf = Callable[[int], int]
"""Returns the type of a unit, given its first byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParameters:
    """The fields of an H.264 sequence parameter set that are needed to read the start of a
    slice."""

    frame_num_bits: int
    has_separate_planes: bool
    has_fields: bool
    """True if a picture may be a single field."""


def h264_type(first: int) -> int:
    """Return the type of an H.264 unit, given its first byte."""
    return first & 31


def hevc_type(first: int) -> int:
    """Return the type of an HEVC unit; slices are given as 1, which ends a search as in H.264."""
    kind = first >> 1 & 63
    return 1 if kind < 32 else kind


def is_h264_set(kind: int) -> bool:
    """Return whether a type is that of a parameter set of H.264."""
    return kind in (H264_SPS, _PPS)


def is_hevc_set(kind: int) -> bool:
    """Return whether a type is that of a parameter set of HEVC."""
    return 32 <= kind <= 34


def split_start_codes(data: bytes, type_of: UnitTypeOf) -> Iterator[tuple[int, bytes]]:
    """Yield type and bytes of each unit up to the first slice; start codes separate the units."""
    starts = [match.end() for match in _START_CODE.finditer(data)]
    for start, following in pairwise([*starts, len(data) + 3]):
        kind = type_of(data[start])
        yield kind, data[start : following - 3].rstrip(b"\0")
        if 1 <= kind <= H264_IDR:
            return


def split_lengths(data: bytes, size: int, type_of: UnitTypeOf) -> Iterator[tuple[int, bytes]]:
    """Yield type and bytes of each unit up to the first slice; its length in ``size`` bytes
    precedes each unit."""
    at = 0
    while at + size < len(data):
        end = at + size + int.from_bytes(data[at : at + size])
        kind = type_of(data[at + size])
        yield kind, data[at + size : end]
        if 1 <= kind <= H264_IDR or end <= at + size:
            return
        at = end


def read_h264_sets(record: bytes) -> bytes:
    """Return the parameter sets of a configuration (``avcC``), each after its length in 4 bytes;
    nothing of what is not complete."""
    found: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):
        count, at = record[at : at + 1], at + 1
        for _ in range(count[0] & mask if count else 0):
            size = int.from_bytes(record[at : at + 2])
            found.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    is_complete = record[:1] == b"\1" and at <= len(record)
    return b"".join(len(one).to_bytes(4) + one for one in found) if is_complete else b""


def find_recovery(units: list[tuple[int, bytes]]) -> int:
    """Return after how many frames the picture is complete; 0 for a true keyframe."""
    if units[-1][0] == H264_IDR:
        return 0
    for kind, unit in units:
        if kind == _SEI:
            for message, payload in _split_messages(_unescape(unit[1:])):
                if message == _RECOVERY_POINT:
                    try:
                        return BitReader(payload).read_exponential()
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


class BitReader:
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


def read_sequence(unit: bytes) -> SequenceParameters | None:
    """Read an H.264 sequence parameter set (7.3.2.1.1 of the standard); None if it is broken."""
    bits, planes = BitReader(_unescape(unit[1:])[:1024]), False
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
    return SequenceParameters(
        frame_num_bits=frame_num_bits, has_separate_planes=planes, has_fields=has_fields
    )


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    if not bits.read(1):
        return
    last, following = 8, 8
    for _ in range(size):
        if following:
            coded = bits.read_exponential()
            delta = (coded + 1) // 2 if coded % 2 else -(coded // 2)
            following = (last + delta) % 256
        last = following or last


def read_field(unit: bytes, sequence: SequenceParameters) -> tuple[int, bool] | None:
    """Return frame number and parity of the field that a slice belongs to; None for a frame."""
    bits = BitReader(_unescape(unit[1:33]))
    try:
        for _ in range(3):
            bits.read_exponential()
        if sequence.has_separate_planes:
            bits.read(2)
        number = bits.read(sequence.frame_num_bits)
        return (number, bool(bits.read(1))) if bits.read(1) else None
    except ValueError:
        return None
