"""Statistics of a burst's motion, independent of the size of people in the picture and of
brightness.

Speeds are compared with other speeds of the same burst; strain (how fast neighbours part or turn)
and acceleration over speed are rates, 1 / s, whatever the distance. In a fight limbs move in
several directions at once, change direction, and stay in place. Shapes: N bursts, P pairs of
frames, H x W pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["describe"]

DIRECTIONS = 8
CELLS = (8, 16, 32)
"""Sides, in pixels, of the cells in which motion is described locally."""
COHERENCE = (4, 8, 16, 32)
"""Sides, in pixels, of the cells in which the coherence of motion is measured."""
BLOCK = 4
"""The side, in pixels, of the blocks whose means are ranked, because single pixels may be wrong."""
PEAK = 0.995
"""Share of the blocks that are slower than the fastest ones."""
SLOW = 1e-3
"""Frame widths a second that count as no motion."""
STILL = 1e-5
"""Its square, and a bit more, added to the denominator of ratios of energies."""

Named = dict[str, Tensor]


def describe(motion: Tensor, differences: Tensor, *, rate: int) -> Named:
    """Compute each statistic, N numbers, by name.

    Args:
        motion: N x P x 2 x H x W, in pixels a pair, without the camera's own.
        differences: N x P x H x W, of the luma of the two frames.
        rate: pairs a second.
    """
    field = MotionField(motion, rate)
    named = summarise(
        _spread(field)
        | _strain(field)
        | _directions(field)
        | _coherence(field)
        | _changes(differences)
    )
    for side in CELLS:
        named |= _cells(field, side)
    return named | _activity(field)


def summarise(by_pair: Named) -> Named:
    """Summarise the values of each pair, N x P, as statistics of the burst."""
    values = torch.stack(list(by_pair.values()), dim=2)
    summaries = {
        "mean": values.mean(dim=1),
        "spread": deviation(values),
        "highest": values.amax(dim=1),
        "lowest": values.amin(dim=1),
        "change": (values[:, 1:] - values[:, :-1]).abs().mean(dim=1),
    }
    return {
        f"{name} {how}": column
        for how, summary in summaries.items()
        for name, column in zip(by_pair, summary.unbind(dim=1), strict=True)
    }


def deviation(values: Tensor) -> Tensor:
    """Return the standard deviation along the second axis."""
    return (values - values.mean(dim=1, keepdim=True)).square().mean(dim=1).add(1e-8).sqrt()


class MotionField:
    """A burst's motion and what several statistics need of it."""

    def __init__(self, motion: Tensor, rate: int) -> None:
        self.rate, self.side = rate, int(motion.shape[-1])
        self.velocity = motion * (rate / self.side)
        """N x P x 2 x H x W, frame widths a second."""
        self.speed = (self.velocity.square().sum(dim=2) + 1e-8).sqrt()
        inner = motion * rate
        across = (inner[..., 1:-1, 2:] - inner[..., 1:-1, :-2]) / 2
        down = (inner[..., 2:, 1:-1] - inner[..., :-2, 1:-1]) / 2
        self.divergence = across[:, :, 0] + down[:, :, 1]
        """1 / s, of the inner pixels, as are the two below."""
        self.curl = across[:, :, 1] - down[:, :, 0]
        shear = (across[:, :, 0] - down[:, :, 1]).square() + (
            across[:, :, 1] + down[:, :, 0]
        ).square()
        self.shear = (shear + 1e-8).sqrt()
        self.ways = self._ways()
        """N x P x ``DIRECTIONS`` x H x W: the share of each place's speed in each direction."""

    def _ways(self) -> Tensor:
        unit = self.velocity / (self.speed + 1e-4).unsqueeze(2)
        angles = 2 * math.pi * torch.arange(DIRECTIONS).view(-1, 1, 1) / DIRECTIONS
        along = unit[:, :, :1] * torch.cos(angles) + unit[:, :, 1:] * torch.sin(angles)
        share = along.clamp(min=0).square()
        return share * share * self.speed.unsqueeze(2)


def _pool(values: Tensor, side: int) -> Tensor:
    """Return the mean of each cell: N x channels x H x W -> N x channels x H / side x W / side."""
    return functional.avg_pool2d(values, side)


def _log(values: Tensor, least: float = SLOW) -> Tensor:
    return torch.log(values + least)


def _entropy(shares: Tensor, axis: int) -> Tensor:
    """Return the entropy of non-negative numbers along an axis, as shares of their sum."""
    shares = shares / (shares.sum(dim=axis, keepdim=True) + SLOW)
    return -(shares * (shares + 1e-6).log()).sum(dim=axis)


def _spread(field: MotionField) -> Named:
    """Measure whether the motion is in few places, and how much faster these are."""
    blocks = _pool(field.speed, BLOCK).flatten(2)
    energy, mean = field.speed.square().mean(dim=(2, 3)), field.speed.mean(dim=(2, 3))
    count = (field.side // BLOCK) ** 2
    fastest = blocks.topk(count - int(PEAK * count), dim=-1).values[..., -1]
    return {
        "peak over typical speed": _log(fastest / (energy.sqrt() + SLOW)),
        "evenness": _log(mean.square() / (energy + 1e-6), 1e-2),
    }


def _strain(field: MotionField) -> Named:
    weight = field.speed[..., 1:-1, 1:-1]
    total = weight.sum(dim=(2, 3)) + SLOW
    parts = {"divergence": field.divergence.abs(), "curl": field.curl.abs(), "shear": field.shear}
    return {
        name: _log((part * weight).sum(dim=(2, 3)) / total, 0.05) for name, part in parts.items()
    }


def _directions(field: MotionField) -> Named:
    return {"directions": _entropy(field.ways.sum(dim=(3, 4)), 2)}


def _coherence(field: MotionField) -> Named:
    named: Named = {}
    for side in COHERENCE:
        together = _pooled_velocity(field, side).square().sum(dim=2).sqrt()
        apart = _pool(field.speed, side)
        named[f"coherence {side}"] = (together * apart).sum(dim=(2, 3)) / (
            apart.square().sum(dim=(2, 3)) + STILL
        )
    return named


def _pooled_velocity(field: MotionField, side: int) -> Tensor:
    """N x P x 2 x cells x cells."""
    cells = field.side // side
    pairs = int(field.velocity.shape[1])
    return _pool(field.velocity.flatten(1, 2), side).reshape(-1, pairs, 2, cells, cells)


def _changes(differences: Tensor) -> Named:
    """Measure whether the change is in few places, without flow."""
    mean, energy = differences.abs().mean(dim=(2, 3)), differences.square().mean(dim=(2, 3))
    return {"evenness of change": _log(mean.square() / (energy + 1e-6), 1e-2)}


def _cells(field: MotionField, side: int) -> Named:
    """Average local statistics over the cells, weighted by energy and by its square."""
    energy = _pool(field.speed.square().mean(dim=1, keepdim=True), side)[:, 0]
    described = _describe_cells(field, side, energy)
    values = torch.stack(list(described.values()), dim=1).flatten(2)
    flat = energy.flatten(1)
    gentle = flat / (flat.sum(dim=-1, keepdim=True) + 1e-7)
    sharp = flat.square() / (flat.square().sum(dim=-1, keepdim=True) + 1e-9)
    named: Named = {}
    for how, weight in (("gentle", gentle), ("sharp", sharp)):
        columns = (values * weight.unsqueeze(1)).sum(dim=2).unbind(dim=1)
        named |= {
            f"{name} {side} {how}": column for name, column in zip(described, columns, strict=True)
        }
    named[f"busiest cell {side}"] = _log(flat.amax(dim=-1) / (flat.mean(dim=-1) + 1e-6), 0.1)
    named[f"busy cells {side}"] = (
        (flat > 0.2 * flat.amax(dim=-1, keepdim=True)).float().mean(dim=-1)
    )
    return named


def _describe_cells(field: MotionField, side: int, energy: Tensor) -> Named:
    """Compute the statistics of each cell: N x cells x cells each."""
    strain = (field.divergence.square() + field.curl.square() + field.shear.square()).mean(
        dim=1, keepdim=True
    )
    strained = _pool(functional.pad(strain, (1, 1, 1, 1)), side)[:, 0]
    turned = (
        (field.velocity[:, 1:] - field.velocity[:, :-1])
        .square()
        .sum(dim=2)
        .mean(dim=1, keepdim=True)
    )
    moved, speed = _pooled_velocity(field, side), _pool(field.speed, side)
    path = moved.square().sum(dim=2).mean(dim=1)
    swerved = (moved[:, 1:] - moved[:, :-1]).square().sum(dim=2).mean(dim=1)
    return {
        "acceleration": _log(_pool(turned, side)[:, 0] * field.rate**2 / (energy + STILL), 0.1) / 2,
        "strain": _log(strained / (energy + STILL), 0.1) / 2,
        "net motion": moved.mean(dim=1).square().sum(dim=1) / (path + STILL),
        "swerving": _log(swerved * field.rate**2 / (path + STILL), 0.1) / 2,
        "unsteadiness": deviation(speed) / (speed.mean(dim=1) + SLOW),
        "directions": _entropy(_pool(field.ways.sum(dim=1), side), 1),
        "coherence": path / (energy + STILL),
    }


def _activity(field: MotionField) -> Named:
    """Compute the highest speed, in lengths of what moves."""
    highest = _pool(field.speed.amax(dim=1, keepdim=True), BLOCK)
    area = _log((highest / (highest + 0.1)).mean(dim=(1, 2, 3)), 1e-2)
    energy = field.speed.square().mean(dim=(2, 3)).amax(dim=1).sqrt()
    return {"speed in own lengths": _log(energy) - area / 2}
