"""Clips and sheets are cut from the sources that show their span."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2

from scanner.evidence.cut import cut
from scanner.evidence.index import SourceSpan
from scanner.evidence.plan import ClipDue, SheetDue
from scanner.evidence.sheet import draw_sheet
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.test_card import draw_card
from scanner.types import Span


def test_where_sources_overlap_a_sample_is_drawn_once(tmp_path: Path, card_stream: Path) -> None:
    due = SheetDue(name="overlap", times=(Fraction(0),), captions=("",))
    first, second = (source_span(card_stream.parent / f"0000{n}.ts", 2 * n) for n in range(2))
    with Sandbox() as sandbox:
        both, alone = (
            draw_sheet(
                due, sources, sandbox=sandbox, folder=tmp_path / name, stream_id="s", name="s"
            )[0]
            for name, sources in (("both", (first, second)), ("alone", (second,)))
        )

    assert both == alone
    assert (tmp_path / "both" / both.sharp).read_bytes() == (
        tmp_path / "alone" / alone.sharp
    ).read_bytes()


def test_a_picture_among_the_segments_of_a_stream_is_no_part_of_a_clip(
    tmp_path: Path, card_stream: Path
) -> None:
    picture = tmp_path / "card.png"
    cv2.imwrite(str(picture), draw_card(320, 180)[..., ::-1])
    segment = source_span(card_stream.parent / "00000.ts", 0)
    among = replace(segment, source=picture, is_picture=True)
    due = ClipDue(incident_id="0a", number=1, span=segment.span)
    with Sandbox() as sandbox:
        both, alone = (
            cut(due, sources, sandbox=sandbox, folder=tmp_path / name, stream_id="s", name="s")
            for name, sources in (("both", (segment, among)), ("alone", (segment,)))
        )

    assert both.span == alone.span
    assert (tmp_path / "both" / both.file).read_bytes() == (
        tmp_path / "alone" / alone.file
    ).read_bytes()


def test_a_clip_whose_post_roll_lies_beyond_the_stream_has_a_poster(
    tmp_path: Path, card_stream: Path
) -> None:
    segment = source_span(card_stream.parent / "00000.ts", 0)
    due = ClipDue(incident_id="0a", number=1, span=Span(start=Fraction(0), end=Fraction(7)))
    with Sandbox() as sandbox:
        clip = cut(due, [segment], sandbox=sandbox, folder=tmp_path, stream_id="s", name="s")

    assert clip.poster is not None


def source_span(segment: Path, began: int) -> SourceSpan:
    """Return a segment of the drawn stream, which began at that second of it, at second 0."""
    first_pts = 126_000 + began * 90_000
    return SourceSpan(
        source=segment,
        init=None,
        span=Span(start=Fraction(0), end=Fraction(2)),
        first_pts=first_pts,
        shift=-Fraction(first_pts, 90_000),
        jumps=0,
    )
