"""What an operator can choose about scoring: plain values, without NumPy or a runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scanner.types import Label

__all__ = ["Motion", "Precision", "Provider", "Reuse", "user_models_dir"]

Provider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["auto", "fp32", "fp16"]
"""Of the numbers inside a network; ``auto`` takes fp16 on a GPU where the model has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Which segments are looked at in motion, where a model that looks at bursts is installed."""

    base_rate: float = 0.02
    """Share of all segments, whatever their frames say: what the gates miss is found and measured
    there. 1 takes all, 0 none."""
    above: Mapping[Label, float] | None = None
    """Probability by label: a segment is taken where a frame of it scores as much.

    In place of the gates that models bring.
    """

    def __post_init__(self) -> None:
        if not 0.0 <= self.base_rate <= 1.0:
            raise ValueError(f"base_rate must lie in [0, 1], got {self.base_rate}")
        for label, probability in (self.above or {}).items():
            if not 0.0 <= probability <= 1.0:
                raise ValueError(f"above.{label} must lie in [0, 1], got {probability}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How much alike is alike enough."""

    threshold: float = 2.0
    """Grey levels: the highest mean absolute difference of any tile of 8 x 8 pixels.

    At -1 nothing is ever reused.
    """

    def __post_init__(self) -> None:
        if not -1.0 <= self.threshold <= 255.0:
            raise ValueError(f"reuse threshold must lie in [-1, 255], got {self.threshold}")


def user_models_dir() -> Path:
    """Where a user's added models lie: ``streamwarden/models`` in the folder that XDG_DATA_HOME
    names, ~/.local/share without it."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "streamwarden" / "models"
