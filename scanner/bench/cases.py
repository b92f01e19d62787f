"""Cases of decoding: a codec, a height, the distance of keyframes, and a sampling."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, get_args

from scanner.bench.bench_input import clip_folder, ensure_clip
from scanner.errors import SetupError
from scanner.media.sampling import Sampling
from scanner.media.synthetic import ClipCodec, SyntheticClip

__all__ = ["DEFAULT_CASES", "QUICK_CASES", "DecodeCase", "draw_case", "parse_case"]

_WIDTHS: Final = {1080: (1920, 6_000_000), 720: (1280, 3_000_000), 360: (640, 800_000)}
"""Width and bits per second of each height: ordinary for live streams at 30 frames a second."""
_LEAST_SECONDS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeCase:
    """What is decoded and which frames of it."""

    codec: ClipCodec
    height: Literal[1080, 720, 360]
    gop_seconds: int
    """Seconds between keyframes."""
    sampling: str
    """``adaptive``, ``keyframes``, or ``every=SECONDS``."""

    @property
    def name(self) -> str:
        """The case as it is written on the command line."""
        return f"{self.codec}:{self.height}:{self.gop_seconds}:{self.sampling}"

    @property
    def clip(self) -> SyntheticClip:
        """The clip that is generated for it."""
        width, bits = _WIDTHS[self.height]
        return SyntheticClip(
            codec=self.codec,
            width=width,
            height=self.height,
            seconds=max(_LEAST_SECONDS, 2 * self.gop_seconds),
            gop=30 * self.gop_seconds,
            bits=bits,
        )

    @property
    def rule(self) -> Sampling:
        """The sampling as a setting."""
        strategy, _, seconds = self.sampling.partition("=")
        if strategy == "every":
            return Sampling(strategy="every", every=Fraction(seconds))
        return Sampling(strategy="keyframes" if strategy == "keyframes" else "adaptive")


def parse_case(text: str) -> DecodeCase:
    """Return the case that a text such as ``hevc:720:2:every=0.5`` names.

    Raises:
        SetupError: it names none.
    """
    try:
        codec, height, gop, sampling = text.split(":")
        strategy, is_step, step = sampling.partition("=")
        is_known = codec in get_args(ClipCodec) and int(height) in _WIDTHS and int(gop) > 0
        if strategy == "every":
            is_known = is_known and bool(is_step) and Fraction(step) > 0
        elif sampling not in ("adaptive", "keyframes"):
            is_known = False
    except (ValueError, ZeroDivisionError):
        is_known = False
    if not is_known:
        raise SetupError(
            f"case {text!r}: wanted CODEC:HEIGHT:SECONDS:SAMPLING, such as h264:1080:2:adaptive; "
            f"codecs are {', '.join(get_args(ClipCodec))}, heights {', '.join(map(str, _WIDTHS))}, "
            "samplings adaptive, keyframes and every=SECONDS"
        )
    return DecodeCase(
        codec=codec,  # type: ignore[arg-type] # checked above
        height=int(height),  # type: ignore[arg-type]
        gop_seconds=int(gop),
        sampling=sampling,
    )


DEFAULT_CASES: Final = tuple(
    parse_case(text)
    for text in (
        "h264:1080:2:adaptive",
        "h264:1080:2:every=0.5",
        "h264:1080:8:adaptive",
        "h264:720:2:adaptive",
        "h264:360:2:adaptive",
        "hevc:1080:2:adaptive",
        "vp9:720:2:adaptive",
        "av1:720:2:adaptive",
    )
)
QUICK_CASES: Final = DEFAULT_CASES[:2] + DEFAULT_CASES[3:4]


def draw_case(case: DecodeCase) -> Path:
    """Return the path of the case's clip, which is generated once and kept.

    Raises:
        SetupError: it cannot be generated or kept here.
    """
    clip = case.clip
    suffix = "ts" if clip.codec in ("h264", "hevc") else "webm"
    size = f"{clip.height}p{clip.rate}-{clip.bits // 1_000_000}M"
    name = f"{clip.codec}-{size}-{clip.seconds}s-gop{case.gop_seconds}s-v1.{suffix}"
    return ensure_clip(clip_folder(), clip, name)
