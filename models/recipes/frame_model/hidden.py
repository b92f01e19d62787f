"""Heads with a hidden layer, fitted so that few negatives have high scores.

A linear head that ranks most pictures well still gives the highest scores of all to a few kinds of
ordinary scenes, and a label is only as useful as its scores above those. Negatives with a high
score therefore count more in each step, and dropout keeps the layer from learning single pictures.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .backbone import HIDDEN_UNITS

__all__ = ["HiddenHead", "fit_hidden"]

BATCH = 256
EPOCHS = 4
LEAST_STEPS = 300
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.01
DROPOUT = 0.3
LEAST_FOCUS = 0.02
"""Added to the score that weights a negative, so that easy ones are not forgotten."""
SEED = 0


class HiddenHead(nn.Module):
    """Inputs to one logit, through a hidden layer."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.below, self.above = nn.Linear(inputs, HIDDEN_UNITS), nn.Linear(HIDDEN_UNITS, 1)

    def forward(self, clues: Tensor) -> Tensor:
        """N x inputs -> N, with dropout while training."""
        seen = functional.dropout(clues, DROPOUT, self.training)
        hidden = functional.relu(self.below(seen))
        return self.above(functional.dropout(hidden, DROPOUT, self.training))[:, 0]


def fit_hidden(seen: Tensor, truth: Tensor, weight: Tensor) -> HiddenHead:
    """Fit a head to bounded inputs (N x inputs), values (N) and weights (N); an example is drawn as
    often as its weight says."""
    chance = weight.double().numpy()
    steps = max(LEAST_STEPS, EPOCHS * len(seen) // BATCH)
    draws = np.random.default_rng(SEED).choice(
        len(seen), size=(steps, BATCH), p=chance / chance.sum()
    )
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(SEED)
        head = HiddenHead(seen.shape[1])
        optimiser = torch.optim.AdamW(
            head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        for step in torch.from_numpy(draws):
            logits, values = head(seen[step]), truth[step]
            each = functional.binary_cross_entropy_with_logits(logits, values, reduction="none")
            optimiser.zero_grad(set_to_none=True)
            (each * _focus(logits.detach(), values)).mean().backward()
            optimiser.step()
            schedule.step()
    return head.eval().requires_grad_(False)


def _focus(logits: Tensor, values: Tensor) -> Tensor:
    """Return the weight of each example: 1, and for negatives their score, with a mean of 1."""
    focus = torch.where(values == 0, torch.sigmoid(logits) + LEAST_FOCUS, torch.ones_like(logits))
    negative = values == 0
    if bool(negative.any()):
        focus[negative] /= focus[negative].mean()
    return focus
