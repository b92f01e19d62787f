"""The model card, in Hugging Face's form: what was measured is filled in, what is not claimed is
said."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from string import Template

from .corpus import LABELS
from .export import Facts
from .precision import Strays
from .quality import Line

__all__ = ["write_card", "write_table"]

TEMPLATE = Path(__file__).with_name("card.md")


def write_card(folder: Path, facts: Facts, lines: Sequence[Line], half: Strays) -> None:
    """``README.md`` beside the model."""
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        name=facts.name,
        version=facts.version,
        quality=quality_table(lines),
        policies=policy_table(facts),
        half=f"{half.logit:.3f} of a logit and {half.probability:.4f} of a probability on {half.pictures} real and random pictures",
    )
    (folder / "README.md").write_text(text, "utf-8")


def quality_table(lines: Sequence[Line]) -> str:
    """Every figure with its interval, as Markdown."""
    rows = ["| | figure | value [95 %] | groups | examples |", "|---|---|---|---|---|"]
    rows += [
        f"| {line.subject} | {line.what} | {spoken(line)} | {line.figure.groups} | {line.examples} |"
        for line in lines
    ]
    return "\n".join(rows)


def spoken(line: Line) -> str:
    """The value, with its interval where there are groups enough to resample."""
    return str(line.figure) if line.figure.groups > 1 else f"{line.figure.value:.3f} (one group)"


def policy_table(facts: Facts) -> str:
    """What the manifest recommends, as Markdown."""
    heads = (
        "label",
        "prior",
        "level",
        "still",
        "ordinary CCTV clips that last above the level",
        "AUC against ordinary CCTV",
        "shadow",
    )
    rows = [_row(heads), "|---" * len(heads) + "|"]
    for label in LABELS:
        advice, prior = facts.advice[label], facts.calibrated[label].prior
        shares = (
            f"{advice.ordinary:.1%}",
            f"{advice.separates:.2f}",
            "yes" if advice.shadow else "no",
        )
        rows.append(
            _row((label, f"{prior:.3f}", f"{advice.level:.1f}", f"{advice.still:.3f}", *shares))
        )
    return "\n".join(rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def write_table(path: Path, lines: Sequence[Line]) -> None:
    """The same figures as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "what", "value", "low", "high", "groups", "examples"])
        for line in lines:
            figure = line.figure
            writer.writerow(
                [
                    line.subject,
                    line.what,
                    figure.value,
                    figure.low,
                    figure.high,
                    figure.groups,
                    line.examples,
                ]
            )
