"""Why files were skipped and spans were not seen, in words for lines, reports and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scanner.stream.inputs import SkipKind
from scanner.types import GapReason

__all__ = ["GAP_REASONS", "SKIP_REASONS"]

SKIP_REASONS: Final[Mapping[SkipKind, str]] = {
    "in_playlist": "scanned as segments of the folder's playlists",
    "other_name": "not named as media; name a file itself to scan it",
    "linked_folder": "links to other folders, which are not followed",
}
"""Why files are skipped."""


GAP_REASONS: Final[Mapping[GapReason, str]] = {
    "undecodable": "the decoder failed, or marked the pictures as damaged",
    "no_keyframe": "no keyframe to begin decoding at, and no earlier segment at hand: set the "
    "encoder's keyframe interval to the duration of a segment",
    "not_scanned": "pictures of another video track: extract it into a file of its own to scan it",
    "between_samples": "two samples lie further apart than sampling.max_gap",
    "missing": "no segment arrived, or pictures paused while sound or declared duration went on",
    "quarantined": "the segment ended its decoder twice",
    "late": "the segment arrived after its gap was recorded; it was scored and not folded",
    "shed": "the segment waited too long and was dropped",
}
"""Why spans were not seen, with a remedy where there is one."""
