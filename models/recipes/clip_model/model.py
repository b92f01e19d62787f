"""The network: from the pixels of a burst to one logit."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .bursts import BURST, SIDE
from .flow import camera_motion, flow_between
from .statistics import describe

__all__ = ["FIELD", "ClipModel", "Head", "describe_bursts", "statistic_names"]

FIELD = 64
"""The side in pixels of the square in which motion is measured, after averaging from twice that."""
GRID = 20
"""Cells a side in which change is collected to find where the scene moves."""
CHANGE_POWER = 1.5
"""The power by which busier cells count, so that the window is on the busiest place and not between
two."""
REACH = 2.0
"""Half the window's side, in standard deviations of the position of change."""
CLOSEST = 0.17
"""The lowest half side of the window, in frame sides; a smaller one would magnify pixels."""
QUIET_SHARE, QUIET_QUANTILE = 0.3, 0.385
"""The share of places that change by noise alone, and the quantile of a standard normal
distribution with that share."""
CHANGED = 2.5
"""The standard deviations of the noise that count as change."""
LEAST_CHANGE = 0.01
BOUND = 4.0
"""The standard deviations to which a statistic is clipped, because footage unlike the training data
must not dominate."""
WEIGHTS = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in luma (BT.601)."""


class Head(nn.Module):
    """A linear model of standardised, bounded statistics."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("weight", torch.zeros(width))
        self.register_buffer("bias", torch.zeros(1))

    def forward(self, statistics: Tensor) -> Tensor:
        """N x width -> N x 1 logits."""
        return (self.standard(statistics) * self.weight).sum(dim=1, keepdim=True) + self.bias

    def standard(self, statistics: Tensor) -> Tensor:
        """Brought to mean 0 and spread 1, as they were in training, and bounded."""
        return ((statistics - self.centre) * self.scale).clamp(-BOUND, BOUND)


class ClipModel(nn.Module):
    """The exported network: pixels of bursts in, one logit each out."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, frames: Tensor) -> Tensor:
        """N x T x H x W x 3 uint8 RGB -> N x 1."""
        red, green, blue = (
            frames[..., index].float() * weight for index, weight in enumerate(WEIGHTS)
        )
        return self.head(describe_bursts(torch.round(red + green + blue) * (1 / 255)))


def describe_bursts(luma: Tensor) -> Tensor:
    """N x T x H x W in [0, 1] -> N x statistics of the window in which most moves."""
    return torch.stack(list(compute_named(luma).values()), dim=1)


def statistic_names() -> tuple[str, ...]:
    """Return the names of the statistics."""
    return tuple(compute_named(torch.zeros(1, BURST.frames, SIDE, SIDE)))


def compute_named(luma: Tensor) -> dict[str, Tensor]:
    """Compute the statistics of each burst, by name."""
    differences = luma[:, 1:] - luma[:, :-1]
    centre, half = busy_window(differences, estimate_noise(differences))
    return describe_window(sample_window(luma, centre, half)) | {"closeness": torch.log(half[:, 0])}


def estimate_noise(differences: Tensor) -> Tensor:
    """N: the spread of the noise, from how little the quietest places change."""
    some = differences[..., 1::5, 1::5].abs().flatten(1)
    rank = int(QUIET_SHARE * int(some.shape[1]))
    return some.topk(rank + 1, dim=1, largest=False).values[:, -1] / QUIET_QUANTILE


def busy_window(differences: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (N x 2, across and down) and half side (N x 1) of a square window on what changes, in
    frame sides; inside the frame."""
    change = (
        (differences.abs() - CHANGED * noise.view(-1, 1, 1, 1) - LEAST_CHANGE)
        .clamp(min=0)
        .mean(dim=1, keepdim=True)
    )
    cells = functional.avg_pool2d(change, SIDE // GRID)[:, 0]
    share = (cells / (cells.amax(dim=(1, 2), keepdim=True) + 1e-4)) ** CHANGE_POWER + 1e-4
    share = share / share.sum(dim=(1, 2), keepdim=True)
    place = (torch.arange(GRID) + 0.5) / GRID
    sides = torch.stack([share.sum(dim=1), share.sum(dim=2)], dim=1)
    centre = (sides * place).sum(dim=2)
    spread = (sides * (place - centre.unsqueeze(2)).square()).sum(dim=2).sqrt()
    half = (REACH * spread.amax(dim=1, keepdim=True)).clamp(CLOSEST, 0.5)
    return torch.maximum(torch.minimum(centre, 1 - half), half), half


def sample_window(luma: Tensor, centre: Tensor, half: Tensor) -> Tensor:
    """A square window of each frame, ``FIELD`` pixels a side: N x T x H x W -> N x T x FIELD x
    FIELD."""
    fine = 2 * FIELD
    steps = (torch.arange(fine) + 0.5) * (2 / fine) - 1
    places = 2 * (centre.unsqueeze(2) + half.unsqueeze(2) * steps) - 1
    across = places[:, :1].expand(-1, fine, -1)
    down = places[:, 1:].transpose(1, 2).expand(-1, -1, fine)
    seen = functional.grid_sample(
        luma,
        torch.stack([across, down], dim=-1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return functional.avg_pool2d(seen, 2)


def describe_window(luma: Tensor) -> dict[str, Tensor]:
    """Compute the statistics of windows, N x T x FIELD x FIELD."""
    pairs = int(luma.shape[1]) - 1
    differences = luma[:, 1:] - luma[:, :-1]
    noise = estimate_noise(differences).view(-1, 1).expand(-1, pairs).reshape(-1)
    before, after = (part.reshape(-1, 1, FIELD, FIELD) for part in (luma[:, :-1], luma[:, 1:]))
    flow, trust = flow_between(before, after, noise)
    motion = (flow - camera_motion(flow, trust)) * trust
    return describe(motion.reshape(-1, pairs, 2, FIELD, FIELD), differences, rate=BURST.rate)
