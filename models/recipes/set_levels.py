"""Set the levels of a model by the rule for shipped models, from scores of labelled footage.

    streamwarden eval DATA/manifest.csv MORE/manifest.csv --streams --change night
        --fold-models folds/ --save-scores scores.jsonl
    python models/recipes/set_levels.py DATA/manifest.csv MORE/manifest.csv
        --scores scores.jsonl --model models/streamwarden-frame

The rule is ``scanner.evaluate.streams.safe_level``: a level that no ordinary source reaches, with a
margin found by leaving out one source at a time, and with a tail below one incident an hour. A
label of which fewer than three in ten events reach its level, or none on camera, is put in shadow;
for still pictures, one of which fewer than three in ten photographs are flagged, or that has fewer
than a hundred. A photograph that is held for some seconds is an event, too. Levels, thresholds of
stills and the figures behind them are written to ``model.toml`` and to the card.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanner.evaluate.rows import LabelledRow, read_manifests, select_rows
from scanner.evaluate.streams.pieces import FootageKind, FootagePool, Piece, build_pool
from scanner.evaluate.streams.recordings import Recording, read_recordings
from scanner.evaluate.streams.safe_level import (
    EventLevel,
    EventsFound,
    HalfResult,
    SafeLevel,
    SafeLevelLimits,
    SourceLevels,
    count_found,
    event_levels,
    fit_on_halves,
    fit_safe_level,
    source_levels,
)
from scanner.report.line_text import read_lines
from scanner.report.lines import Line
from scanner.risk.medium import COUNTS, weight_of
from scanner.risk.policy import Policy
from scanner.scoring.manifest import FILENAME, read_manifest
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings
from scanner.types import Label

STILL_FALSE_POSITIVES = 0.01
"""The share of harmless photographs that may be flagged as stills; each source counts the same."""
LEAST_PHOTOGRAPHS = 40
"""A source with fewer photographs does not count by itself."""
LEAST_LABELLED = 100
"""A label with fewer photographs is in shadow for still pictures."""
LEAST_STILL, MOST_STILL = 0.1, 0.999
LIMITS = SafeLevelLimits()
SECTION = "## Levels and false incidents"
RULE = (
    "Set by `models/recipes/set_levels.py`. A label's level is the lowest that no ordinary footage "
    "reaches, by night either, with a",
    "margin such that a level fitted without one source is not reached by that source, and at "
    "which the tail of the levels stays",
    f"below {LIMITS.rate:g} an hour. A label of which fewer than {100 * LIMITS.found:g} % of the "
    "events reach the level, or none on camera, is in shadow. A still is flagged",
    f"above what {100 * STILL_FALSE_POSITIVES:g} % of harmless photographs reach, as a mean over "
    f"their sources; if fewer than {100 * LIMITS.found:g} % of the photographs of",
    f"a label are flagged, or it has fewer than {LEAST_LABELLED}, it is in shadow for stills, too.",
)
"""The lines of the card that explain the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillCounts:
    """How many photographs are flagged as still pictures."""

    found: int
    """Photographs with the label that are flagged."""
    photographs: int
    """Photographs with the label."""
    false: int
    """Harmless photographs that are flagged."""
    harmless: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLevels:
    """The level that the rule gives for one label, and its figures."""

    label: Label
    safe: SafeLevel
    still: float
    """The probability from which a still picture is flagged."""
    flagged: StillCounts
    events: tuple[EventLevel, ...]
    halves: tuple[HalfResult, ...]
    sources: tuple[SourceLevels, ...]

    @property
    def found(self) -> EventsFound:
        """The events that reach the level."""
        return count_found(self.events, self.safe.level)

    @property
    def shadow(self) -> bool:
        """True if too few events remain to deliver the label, or none on camera."""
        found = self.found
        few = _is_too_few(found.on_camera + found.held, found.camera_events + found.photographs)
        return few or not found.on_camera

    @property
    def still_shadow(self) -> bool:
        """True if too few photographs are flagged to deliver the label for still pictures, or there
        are too few to tell."""
        few = self.flagged.photographs < LEAST_LABELLED
        return few or _is_too_few(self.flagged.found, self.flagged.photographs)

    def figures(self) -> Mapping[str, str]:
        """Return the figures for the manifest."""
        safe, found = self.safe, self.found
        return {
            "level": f"{safe.level:.1f}: highest ordinary level {safe.peak:.2f}, margin of leaving "
            f"one source out {safe.margin:.2f}",
            "tail at the level": f"{safe.tail.rate_at(safe.level):.2f} an hour",
            "incidents on ordinary footage": f"{safe.rate.count} in {safe.rate.hours:.2f} h of "
            f"{safe.sources} sources, so below {safe.rate.upper:.1f} an hour (95 %)",
            "events on camera that reach the level": f"{found.on_camera} of {found.camera_events}",
            "photographs that reach the level, held for 8 s": f"{found.held} of "
            f"{found.photographs}",
            "photographs that are flagged as stills": f"{self.flagged.found} of "
            f"{self.flagged.photographs}, and {self.flagged.false} of {self.flagged.harmless} "
            "harmless ones",
        } | {
            f"fitted on half {number} of the sources": f"level {half.level:.1f}; on the other half "
            f"{half.rate.count} incidents in {half.rate.hours:.2f} h, {half.found} of "
            f"{half.events} events and photographs"
            for number, half in enumerate(self.halves, 1)
        }


def main() -> None:
    """Parse the command line, fit, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", type=Path, nargs="+", help="manifests of labelled footage")
    parser.add_argument(
        "--scores", type=Path, action="append", required=True, help="lines of eval --save-scores"
    )
    parser.add_argument("--model", type=Path, required=True, help="the model's folder")
    options = parser.parse_args()
    pool = read_pool(select_rows(read_manifests(options.manifests)).rows, options.scores)
    policies = compose_policies(Settings(), [read_manifest(options.model)])
    fitted = [
        fit_label(pool, label, policies.labels[label])
        for label in read_manifest(options.model).scored_labels
    ]
    write_manifest(options.model / FILENAME, fitted)
    write_card(options.model / "README.md", fitted)


def read_pool(rows: Sequence[LabelledRow], scores: Sequence[Path]) -> FootagePool:
    """Return the footage with its recorded scores."""
    lines: list[Line] = []
    for path in scores:
        with path.open(encoding="utf-8") as file:
            lines += read_lines(file)
    return build_pool(one for one in read_recordings(rows, lines) if isinstance(one, Recording))


def fit_label(pool: FootagePool, label: Label, policy: Policy) -> LabelLevels:
    """Apply the rule to one label."""
    levels = source_levels(pool, label, policy)
    events = event_levels(pool.event_clips, label, policy)
    still = fit_still(pool, label, policy)
    return LabelLevels(
        label=label,
        safe=fit_safe_level(levels, LIMITS),
        still=still,
        flagged=count_stills(pool, label, replace(policy, still=still)),
        events=tuple(events),
        halves=fit_on_halves(levels, events, LIMITS),
        sources=tuple(levels),
    )


def fit_still(pool: FootagePool, label: Label, policy: Policy) -> float:
    """Return the probability that at most ``STILL_FALSE_POSITIVES`` of harmless photographs reach,
    as a mean over sources."""
    by_origin: dict[str, list[float]] = {}
    for piece in harmless_photographs(pool, label):
        by_origin.setdefault(piece.origin, []).append(still_score(piece, label, policy))
    kept = [values for values in by_origin.values() if len(values) >= LEAST_PHOTOGRAPHS]
    if not kept:
        return MOST_STILL
    values = np.concatenate([np.array(one) for one in kept])
    share = np.concatenate([np.full(len(one), 1 / len(one) / len(kept)) for one in kept])
    order = np.argsort(-values)
    above = np.cumsum(share[order])
    threshold = float(values[order][int(np.searchsorted(above, STILL_FALSE_POSITIVES))])
    return float(np.clip(np.ceil(threshold * 1000 + 1e-9) / 1000, LEAST_STILL, MOST_STILL))


def count_stills(pool: FootagePool, label: Label, policy: Policy) -> StillCounts:
    """Return how many photographs with and without the label the policy flags as stills."""
    shown = [
        clip.pieces[0]
        for clip in pool.event_clips
        if clip.label == label and clip.kind is FootageKind.PHOTOGRAPHS
    ]
    harmless = harmless_photographs(pool, label)
    found, false = (
        sum(still_score(piece, label, policy) >= policy.still for piece in pieces)
        for pieces in (shown, harmless)
    )
    return StillCounts(found=found, photographs=len(shown), false=false, harmless=len(harmless))


def harmless_photographs(pool: FootagePool, label: Label) -> list[Piece]:
    """Return the photographs that do not show the label."""
    return [
        piece
        for piece in pool.safe
        if piece.kind is FootageKind.PHOTOGRAPHS and label not in piece.unsafe_for
    ]


def still_score(piece: Piece, label: Label, policy: Policy) -> float:
    """Return a photograph's score; 0 if its medium does not count."""
    sample = piece.samples[0]
    counts = weight_of((sample.medium,), policy.when) >= COUNTS
    return sample.values.get(label, 0.0) if counts else 0.0


def write_manifest(path: Path, fitted: Sequence[LabelLevels]) -> None:
    """Replace levels, thresholds of stills, shadows and figures in a manifest."""
    text = path.read_text("utf-8")
    for one in fitted:
        start = text.index(f"[labels.{one.label}.policy]")
        end = text.index("\n\n", start)
        policy = text[start:end]
        for key, value in {
            "level": f"{one.safe.level:.1f}",
            "still": f"{one.still:.3f}",
            "shadow": str(one.shadow).lower(),
            "still_shadow": str(one.still_shadow).lower(),
        }.items():
            policy = re.sub(rf"\n{key} = .*", "", policy) + f"\n{key} = {value}"
        text = text[:start] + policy + text[end:]
        ours = "|".join(map(re.escape, one.figures()))
        text = re.sub(rf'^"{one.label}: (?:{ours})" = .*\n', "", text, flags=re.MULTILINE)
        text += "".join(
            f'"{one.label}: {name}" = "{value}"\n' for name, value in one.figures().items()
        )
    path.write_text(text, "utf-8")


def write_card(path: Path, fitted: Sequence[LabelLevels]) -> None:
    """Replace the card's section of levels; it must have one."""
    text = path.read_text("utf-8")
    start = text.index(SECTION)
    following = text.find("\n## ", start + 1)
    end = len(text) if following < 0 else following
    path.write_text(text[:start] + card_section(fitted) + text[end:], "utf-8")


def card_section(fitted: Sequence[LabelLevels]) -> str:
    """Return the section as Markdown."""
    policies = [
        f"| {one.label} | {one.safe.level:.1f} | {one.still:.3f} "
        f"| {'yes' if one.shadow else 'no'} | {'yes' if one.still_shadow else 'no'} |"
        for one in fitted
    ]
    figures = [
        f"| {one.label} | {name} | {value} |"
        for one in fitted
        for name, value in one.figures().items()
    ]
    return "\n".join(
        [
            SECTION,
            "",
            *RULE,
            "",
            "| label | level | still | shadow | shadow for stills |",
            "|---|---|---|---|---|",
            *policies,
            "",
            "| label | figure | value |",
            "|---|---|---|",
            *figures,
            "",
            "Events found by source, and the ordinary sources with the highest levels:",
            "",
            *(line for one in fitted for line in _source_lines(one)),
            "",
        ]
    )


def _is_too_few(found: int, events: int) -> bool:
    return not events or found / events < LIMITS.found


def _source_lines(one: LabelLevels) -> list[str]:
    by_origin: dict[str, list[bool]] = {}
    for event in one.events:
        by_origin.setdefault(event.origin, []).append(event.level >= one.safe.level)
    found = ", ".join(
        f"{origin} {sum(flags)} of {len(flags)}" for origin, flags in sorted(by_origin.items())
    )
    highest = sorted(
        (source for source in one.sources if source.kind is not FootageKind.PHOTOGRAPHS),
        key=lambda source: -source.peak,
    )[:4]
    levels = ", ".join(
        f"{source.origin} ({source.kind}, {source.hours * 60:.1f} min) {source.peak:.1f}"
        for source in highest
    )
    return [f"- **{one.label}**: found {found or 'none'}. Highest: {levels}."]


if __name__ == "__main__":
    main()
