"""The model card in Hugging Face's format, with measured figures and limits."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from string import Template

from .export import FrameModelFacts
from .fp16 import GraphDifference
from .quality import CardRow

__all__ = ["write_card", "write_table"]

TEMPLATE = Path(__file__).with_name("card.md")


def write_card(
    folder: Path, facts: FrameModelFacts, lines: Sequence[CardRow], half: GraphDifference
) -> None:
    """Write the card as ``README.md`` in the model's folder."""
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        name=facts.name,
        version=facts.version,
        quality=quality_table(lines),
        half=f"{half.logit:.3f} of a logit and {half.probability:.4f} of a probability "
        f"on {half.pictures} real and random pictures",
    )
    (folder / "README.md").write_text(text, "utf-8")


def quality_table(lines: Sequence[CardRow]) -> str:
    """Format all figures with their intervals as Markdown."""
    rows = ["| | figure | value [95 %] | groups | examples |", "|---|---|---|---|---|"]
    rows += [
        f"| {line.subject} | {line.what} | {format_value(line)} "
        f"| {line.figure.groups} | {line.examples} |"
        for line in lines
    ]
    return "\n".join(rows)


def format_value(line: CardRow) -> str:
    """Format the value, with its interval if there are several groups to resample."""
    return str(line.figure) if line.figure.groups > 1 else f"{line.figure.value:.3f} (one group)"


def write_table(path: Path, lines: Sequence[CardRow]) -> None:
    """Write the figures as CSV."""
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
