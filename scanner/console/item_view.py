"""What the item page shows of an incident or a picture, made from the journal's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scanner.console.reviewing import taxonomy_labels
from scanner.console.risk_view import RiskView
from scanner.rational import load_fraction
from scanner.report.text import clock, join_words, percent
from scanner.risk.policy import logit, sigmoid

__all__ = ["ClipView", "TileView", "clips_of", "reason_choices", "tiles_of", "why_sentences"]

MOST_REASONS: Final = 9
"""Reasons with a key of their own."""
TILE_WIDTH, TILE_HEIGHT, GAP, CAPTION, COLUMNS = 320, 180, 8, 30, 4
"""Layout of a contact sheet, in pixels, as it is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipView:
    """A clip that can be played."""

    piece: str
    poster: str | None
    """Name of its blurred picture."""
    start: float
    """Stream seconds of its first frame."""
    end: float
    is_truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TileView:
    """One frame of the contact sheet."""

    x: int
    y: int
    at: float | None
    """Stream second; None where it is not known."""
    risk: float | None


def clips_of(pieces: Sequence[Mapping[str, Any]]) -> tuple[ClipView, ...]:
    """Return the clips that are cut, in order."""
    by_name = {one["piece"]: one for one in pieces if one["status"] == "cut"}
    found = []
    for name, one in by_name.items():
        if name.startswith("clip-") and one["result"] is not None:
            span = one["result"].get("span")
            start, end = (0.0, 0.0) if span is None else map(float, map(load_fraction, span))
            poster = name.replace("clip", "poster")
            found.append(
                ClipView(
                    piece=name,
                    poster=poster if poster in by_name else None,
                    start=start,
                    end=end,
                    is_truncated=bool(one["result"].get("truncated")),
                )
            )
    return tuple(sorted(found, key=lambda clip: int(clip.piece.partition("-")[2])))


def tiles_of(sheet: Mapping[str, Any], label: str, risk: RiskView | None) -> tuple[TileView, ...]:
    """Return the frames of a contact sheet, the one with the highest risk first."""
    result = sheet["result"] or {}
    times: Sequence[float] = result.get("times", ())
    tiles = []
    for index, at in enumerate(times):
        row, column = divmod(index, COLUMNS)
        tiles.append(
            TileView(
                x=GAP + column * (TILE_WIDTH + GAP),
                y=GAP + row * (TILE_HEIGHT + CAPTION + GAP),
                at=at,
                risk=None if risk is None else risk.risk_at(label, at),
            )
        )
    return tuple(sorted(tiles, key=lambda tile: -(tile.risk or 0.0)))


def reason_choices(item: Mapping[str, Any]) -> tuple[tuple[str, str | None], ...]:
    """Return the labels that a violation may name, each with its key: those of the item first, then
    the others of its category, then all others, which have no key."""
    categories = taxonomy_labels()
    own = [label for label in item["labels"] if label in categories]
    near = [one for one, category in categories.items() if category == item["category"]]
    names = list(dict.fromkeys([*own, *near, *categories]))
    keyed = len(dict.fromkeys([*own, *near]))
    return tuple(
        (name, str(index) if index <= min(keyed, MOST_REASONS) else None)
        for index, name in enumerate(names, 1)
    )


def why_sentences(item: Mapping[str, Any], why: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield why each label was flagged, in words."""
    for one in why:
        yield _why_sentence(one)
    explained = {one["label"] for one in why}
    for label in item["labels"]:
        if label not in explained:
            yield f"{_words(label)}: the scores that flagged it are no longer kept."


def _why_sentence(one: Mapping[str, Any]) -> str:
    policy, samples = one["policy"] or {}, one["samples"]
    parts = []
    if one["score"] is not None:
        count = f"{len(samples)} frame{'s' if len(samples) != 1 else ''}"
        span = "" if one["evidence"] is None else f" from {_span(one['evidence'])}"
        parts.append(f"{count}{span} scored up to {percent(one['score'])}")
    if policy and policy.get("method") == "dwell":
        prior = policy.get("training_prior", 0.5)
        needed = percent(sigmoid(policy["open"] + logit(prior)))
        dwell = _seconds(policy.get("dwell"))
        lasting = f" that last {dwell:g} s" if dwell else ""
        parts.append(f"scores of {needed}{lasting} are needed")
    elif policy and one["level"] is not None:
        parts.append(f"the level reached {one['level']:.1f}; {policy['open']:.1f} is needed")
    names = [signal["name"] for signal in one["signals"]]
    if names:
        parts.append(f"signals raised it: {join_words(names, 'and')}")
    models = f" Model: {join_words(one['models'], 'and')}." if one["models"] else ""
    media = policy.get("when")
    counted = f" Only {join_words(media, 'or')} pictures count." if media else ""
    return f"{_words(one['label'])}: {'; '.join(parts) or 'a signal opened it'}.{counted}{models}"


def _span(evidence: Sequence[float]) -> str:
    first, last = (clock(at) for at in evidence)
    return first if first == last else f"{first} to {last}"


def _words(label: str) -> str:
    return label.replace("_", " ")


def _seconds(value: Any) -> float:
    """Return seconds of a policy, which has them as exact fractions."""
    numerator, _, denominator = str(value or 0).partition("/")
    return float(numerator) / float(denominator or 1)
