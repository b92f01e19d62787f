"""Fitting the head: weights of bursts, and the minimum of a convex loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from frame_model.corpus import CorpusRow
from frame_model.fitting import minimise
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .features import BurstStatistics
from .model import Head

__all__ = ["ELSEWHERE", "RIDGES", "fit_head", "judge", "sample_weights", "truth_of"]

RIDGES = (0.01, 0.03, 0.1, 0.3)
"""The candidate weights of the ridge penalty, relative to the mean loss."""
ELSEWHERE = 0.3
"""The total weight of games, screens and ordinary video, relative to that of ordinary scenes of the
fights' cameras."""
LEAST_SPREAD = 1e-3

Array = NDArray[np.float64]


def truth_of(rows: Sequence[CorpusRow]) -> NDArray[np.int64]:
    """Return 1 for each row that shows a fight, else 0."""
    return np.array([int(row.task == "violence_clip" and row.label == "1") for row in rows])


def sample_weights(row: NDArray[np.int64], rows: Sequence[CorpusRow]) -> Array:
    """Return the weight of each burst; weights sum to 1.

    A clip's weight is divided among its bursts; groups count by the root of their size.
    """
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


def fit_head(bursts: BurstStatistics, rows: Sequence[CorpusRow], *, ridge: float) -> Head:
    """Fit the head with the lowest ridge-penalised loss; deterministic."""
    values = torch.from_numpy(bursts.values).double()
    weight = torch.from_numpy(sample_weights(bursts.row, rows))
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


def judge(head: Head, bursts: BurstStatistics) -> Array:
    """Return the logit of each burst."""
    with torch.inference_mode():
        return head(torch.from_numpy(bursts.values))[:, 0].double().numpy()
