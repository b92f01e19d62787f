"""The head: which bursts count how much, and the one best answer of a convex problem."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from frame_model.corpus import Row
from frame_model.fitting import minimise
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .features import Described
from .model import Head

__all__ = ["ELSEWHERE", "RIDGES", "fit_head", "judge", "truth_of", "worth"]

RIDGES = (0.01, 0.03, 0.1, 0.3)
"""Weights of the squared coefficients beside the mean loss, to choose from."""
ELSEWHERE = 0.3
"""What games, screens and ordinary video count together, where the ordinary scenes of the fights'
own cameras count 1."""
LEAST_SPREAD = 1e-3

Array = NDArray[np.float64]


def truth_of(rows: Sequence[Row]) -> NDArray[np.int64]:
    """1 for each row that shows a fight."""
    return np.array([int(row.task == "violence_clip" and row.label == "1") for row in rows])


def worth(row: NDArray[np.int64], rows: Sequence[Row]) -> Array:
    """How much each burst counts, summing to 1: a clip's bursts share what it counts, groups count
    by the root of their size."""
    clips, place, bursts = np.unique(row, return_inverse=True, return_counts=True)
    groups = np.array([rows[clip].group for clip in clips])
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    chance = (sizes[group] ** -0.5)[place] / bursts[place]
    fights, kind = (
        truth_of(rows)[row] == 1,
        np.array([rows[index].task == "violence_clip" for index in row]),
    )
    for which, total in ((fights, 1.0), (~fights & kind, 1.0), (~kind, ELSEWHERE)):
        if which.any():
            chance[which] *= total / chance[which].sum()
    return chance / chance.sum()


def fit_head(bursts: Described, rows: Sequence[Row], *, ridge: float) -> Head:
    """The head of least ridge-penalised loss: no seed, no schedule, the same answer every time."""
    values = torch.from_numpy(bursts.values).double()
    weight = torch.from_numpy(worth(bursts.row, rows))
    truth = torch.from_numpy(truth_of(rows)[bursts.row]).double()
    head = Head(values.shape[1])
    centre = weight @ values
    scale = 1 / ((weight @ (values - centre).square()).sqrt() + LEAST_SPREAD)
    head.centre, head.scale = centre.float(), scale.float()
    standard = head.standard(values.float()).double()
    coefficients, offset = (
        torch.zeros(values.shape[1], dtype=torch.float64),
        torch.zeros((), dtype=torch.float64),
    )

    def loss() -> Tensor:
        each = functional.binary_cross_entropy_with_logits(
            standard @ coefficients + offset, truth, reduction="none"
        )
        return (each * weight).sum() + ridge * coefficients.square().sum()

    coefficients, offset = minimise(loss, coefficients, offset)
    head.weight, head.bias = coefficients.float(), offset.float().view(1)
    return head.eval()


def judge(head: Head, bursts: Described) -> Array:
    """The logit of each burst."""
    with torch.inference_mode():
        return head(torch.from_numpy(bursts.values))[:, 0].double().numpy()
