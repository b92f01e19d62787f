"""The model card in Hugging Face's format, with measured figures and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from frame_model.card import quality_table
from frame_model.quality import CardRow

from .bursts import BURST, SIDE
from .export import FILE, ClipModelFacts

__all__ = ["write_card"]

TEMPLATE = Path(__file__).with_name("card.md")


def write_card(
    folder: Path,
    facts: ClipModelFacts,
    lines: Sequence[CardRow],
    gates: Mapping[float, Mapping[str, float]],
    *,
    difference: float,
    cost: float,
    ridges: Sequence[float],
) -> None:
    """Write the card as ``README.md`` in the model's folder."""
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        name=facts.name,
        version=facts.version,
        frames=BURST.frames,
        rate=BURST.rate,
        side=SIDE,
        size=f"{(folder / FILE).stat().st_size / 1e6:.2f}",
        cost=f"{cost:.0f}",
        difference=f"{difference:.1g}",
        ridges=", ".join(f"{ridge:g}" for ridge in ridges),
        quality=quality_table(lines),
        gates=gate_rows(gates),
        gate=f"{facts.gate:g}",
        prior=f"{facts.calibrated.prior:.3f}",
        level=f"{facts.advice.level:.1f}",
        still=f"{facts.advice.still:.3f}",
        ordinary=f"{facts.advice.ordinary:.1%}",
        separates=f"{facts.advice.separates:.2f}",
        shadow="yes" if facts.shadow else "no",
    )
    (folder / "README.md").write_text(text, "utf-8")


def gate_rows(gates: Mapping[float, Mapping[str, float]]) -> str:
    """Format the shares of clips that each gate lets through as Markdown."""
    kinds = list(next(iter(gates.values()), {}))
    rows = [["gate", *kinds], ["---"] * (len(kinds) + 1)]
    rows += [
        [f"{gate:g}", *(f"{shares[kind]:.0%}" for kind in kinds)] for gate, shares in gates.items()
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
