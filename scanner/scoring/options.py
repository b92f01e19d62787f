"""The settings of scoring: plain values, importable without NumPy and the ONNX runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from scanner.types import Label

__all__ = ["MAX_BUDGET", "BurstSelection", "Precision", "Provider", "Reuse", "user_models_dir"]

Provider = Literal["cpu", "cuda", "tensorrt"]
MAX_BUDGET: Final = 1e6
"""A share of the frames' work that no burst exceeds: in effect no limit."""
Precision = Literal["auto", "fp32", "fp16", "int8"]
"""The precision of inference; ``auto`` is fp16 on a GPU if the model has it, otherwise fp32.
``int8`` is for CPUs; a model without such a file runs in fp32 beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstSelection:
    """The segments of which bursts are scored, if a burst model is installed (``[bursts]``)."""

    base_rate: float = 0.02
    """The random share of all segments that is scored in bursts whatever their frames score, which
    shows what the gates miss; 1 for all segments, 0 for none."""
    budget: float = 0.25
    """The most that bursts may take over a stream's last ten minutes, as a share of what its
    sampled frames take, where no live label needs them (``scanner.stream.burst_account``)."""
    live_budget: float = 2.0
    """The same share where a live label of a burst model needs them."""
    above: Mapping[Label, float] | None = None
    """Gates by label: bursts are scored if a frame of the segment has at least this probability.
    None for the gates that the models recommend."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.base_rate <= 1.0:
            raise ValueError(f"base_rate must lie in [0, 1], got {self.base_rate}")
        for name, share in (("budget", self.budget), ("live_budget", self.live_budget)):
            if not 0.0 <= share <= MAX_BUDGET:
                raise ValueError(f"{name} must lie in [0, {MAX_BUDGET:g}], got {share}")
        for label, probability in (self.above or {}).items():
            if not 0.0 <= probability <= 1.0:
                raise ValueError(f"above.{label} must lie in [0, 1], got {probability}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """When a frame takes the scores of the last scored frame (``scanner.scoring.segment``)."""

    threshold: float = 2.0
    """The highest mean absolute difference, in grey levels, of any tile of 8 x 8 pixels; -1 turns
    reuse off."""

    def __post_init__(self) -> None:
        if not -1.0 <= self.threshold <= 255.0:
            raise ValueError(f"reuse threshold must lie in [-1, 255], got {self.threshold}")


def user_models_dir() -> Path:
    """Return the user's folder of added models: ``streamwarden/models`` in ``$XDG_DATA_HOME``,
    which defaults to ``~/.local/share``."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "streamwarden" / "models"
