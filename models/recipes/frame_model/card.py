"""The model card, in Hugging Face's form: what was measured is filled in, what is not claimed is said."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from string import Template

from .corpus import LABELS
from .export import Facts
from .quality import Line

__all__ = ["write_card", "write_table"]

TEMPLATE = Path(__file__).with_name("card.md")


def write_card(folder: Path, facts: Facts, lines: Sequence[Line]) -> None:
    """``README.md`` beside the model."""
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        name=facts.name, version=facts.version, quality=quality_table(lines), policies=policy_table(facts)
    )
    (folder / "README.md").write_text(text, "utf-8")


def quality_table(lines: Sequence[Line]) -> str:
    """Every figure with its interval, as Markdown."""
    rows = ["| | figure | value [95 %] | groups | examples |", "|---|---|---|---|---|"]
    rows += [f"| {line.subject} | {line.what} | {spoken(line)} | {line.figure.groups} | {line.examples} |" for line in lines]
    return "\n".join(rows)


def spoken(line: Line) -> str:
    """The value, with its interval where there are groups enough to resample."""
    return str(line.figure) if line.figure.groups > 1 else f"{line.figure.value:.3f} (one group)"


def policy_table(facts: Facts) -> str:
    """What the manifest recommends, as Markdown."""
    rows = ["| label | prior | level | still | ordinary CCTV clips above the level | shadow |", "|---|---|---|---|---|---|"]
    for label in LABELS:
        advice = facts.advice[label]
        prior = facts.calibrated[label].prior
        shadow = "yes" if advice.shadow else "no"
        rows.append(f"| {label} | {prior:.3f} | {advice.level:.1f} | {advice.still:.3f} | {advice.ordinary:.1%} | {shadow} |")
    return "\n".join(rows)


def write_table(path: Path, lines: Sequence[Line]) -> None:
    """The same figures as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "what", "value", "low", "high", "groups", "examples"])
        for line in lines:
            figure = line.figure
            writer.writerow([line.subject, line.what, figure.value, figure.low, figure.high, figure.groups, line.examples])
