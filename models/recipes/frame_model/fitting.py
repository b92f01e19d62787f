"""Fitting the heads on the frozen backbone: weights of views, and the minimum of a convex loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .backbone import HIDDEN_LABELS, HIDDEN_UNITS, HeadInputs, Heads
from .corpus import LABELS, MEDIA, CorpusRow
from .features import REARRANGED_VIEW, ViewBatch
from .hidden import HiddenHead, fit_hidden

__all__ = [
    "RIDGE",
    "Logits",
    "fit_heads",
    "minimise",
    "predict",
    "sample_weights",
    "sampling_weights",
]

RIDGE: Mapping[str, float] = {"fight": 0.3, "gun": 0.3, "fire": 0.3, "smoke": 0.3, "medium": 0.003}
"""The weight of the ridge penalty relative to the mean loss, chosen by cross-validation from 0.001
to 3."""
DRAWN_SHARE = 0.5
"""The weight of a drawn picture relative to a real one."""
HIDDEN_SHARE = 0.5
"""The share of the head with a hidden layer in a label's logit; the linear head has the rest."""
REARRANGED_SHARE = 0.3
"""The weight of a view with a moved or covered part relative to other views (measured for guns: at
1, photographs are ranked worse)."""
STEPS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """The outputs of a model for a batch."""

    labels: NDArray[np.float32]
    """N x labels."""
    medium: NDArray[np.float32]
    """N x media."""


def sampling_weights(batch: ViewBatch, rows: Sequence[CorpusRow]) -> NDArray[np.float64]:
    """Return the weight of each view; groups and kinds of footage count by the root of their size,
    and weights sum to 1."""
    groups = [rows[index].group for index in batch.row]
    strata = [_weighed_kind(rows[index]) for index in batch.row]
    sizes = Counter(groups)
    chance = np.array([sizes[group] ** -0.5 for group in groups])
    totals: Counter[str] = Counter()
    for stratum, value in zip(strata, chance, strict=True):
        totals[stratum] += value
    chance *= np.array(
        [totals[stratum] ** -0.5 * (DRAWN_SHARE if stratum == "drawn" else 1) for stratum in strata]
    )
    chance[batch.view == REARRANGED_VIEW] *= REARRANGED_SHARE
    return chance / chance.sum()


def _weighed_kind(row: CorpusRow) -> str:
    """Return the kind of footage, of fire for each source apart: one has hundreds of groups of
    photographs, another three scenes on camera."""
    return f"{row.stratum} {row.origin}" if row.stratum == "fire" else row.stratum


def sample_weights(batch: ViewBatch, rows: Sequence[CorpusRow]) -> tuple[Tensor, Tensor]:
    """Return the weights in the losses (N x labels, N), balanced over the values of each label and
    over media; each sums to 1."""
    chance = sampling_weights(batch, rows)
    labels = np.where(np.isnan(batch.values), 0.0, batch.trust) * chance[:, None]
    for column in range(labels.shape[1]):
        for answer in (0.0, 1.0):
            which = batch.values[:, column] == answer
            labels[which, column] /= max(2 * labels[which, column].sum(), 1e-12)
    medium = np.where(batch.medium < 0, 0.0, chance)
    for index in range(len(MEDIA)):
        which = batch.medium == index
        medium[which] /= max(len(MEDIA) * medium[which].sum(), 1e-12)
    return torch.from_numpy(labels).float(), torch.from_numpy(medium).float()


def fit_heads(
    batch: ViewBatch,
    rows: Sequence[CorpusRow],
    classifier: nn.Linear,
    ridge: Mapping[str, float] = RIDGE,
) -> Heads:
    """Fit the heads on these views; deterministic for a number of threads."""
    embedding, texture = torch.from_numpy(batch.embedding), torch.from_numpy(batch.texture)
    heads = Heads(HeadInputs(classifier)).requires_grad_(False)
    heads.clues.learn(embedding, texture)
    clues = heads.clues(embedding, texture)
    values, media = torch.from_numpy(batch.values), torch.from_numpy(batch.medium)
    by_label, by_medium = sample_weights(batch, rows)
    for column, label in enumerate(LABELS):
        known = ~values[:, column].isnan()
        seen = clues[known] * heads.clues.usable_inputs(label)
        truth, weight = values[known, column], by_label[known, column]
        answer = _fit_label(seen, truth, weight, ridge[label])
        heads.labels.weight[column], heads.labels.bias[column] = answer
        if label in HIDDEN_LABELS and len(seen):
            _set_hidden(heads, label, fit_hidden(heads.clues.bounded(seen), truth, weight))
    has_medium = media >= 0
    seen = clues[has_medium] * heads.clues.usable_inputs("medium")
    heads.medium.weight[:], heads.medium.bias[:] = _fit_medium(
        seen, media[has_medium], by_medium[has_medium], ridge["medium"]
    )
    return heads.eval()


def _set_hidden(heads: Heads, label: str, layers: HiddenHead) -> None:
    """Put a head with a hidden layer in its place, and mix it with the linear one."""
    column, first = LABELS.index(label), HIDDEN_LABELS.index(label) * HIDDEN_UNITS
    place = slice(first, first + HIDDEN_UNITS)
    heads.hidden.weight[place], heads.hidden.bias[place] = layers.below.weight, layers.below.bias
    heads.above.weight[column, place] = layers.above.weight[0] * HIDDEN_SHARE
    heads.above.bias[column] = layers.above.bias[0] * HIDDEN_SHARE
    heads.labels.weight[column] *= 1 - HIDDEN_SHARE
    heads.labels.bias[column] *= 1 - HIDDEN_SHARE


def _fit_label(
    seen: Tensor, truth: Tensor, sample_weights: Tensor, ridge: float
) -> tuple[Tensor, Tensor]:
    weight, bias = torch.zeros(seen.shape[1]), torch.zeros(())

    def loss() -> Tensor:
        each = functional.binary_cross_entropy_with_logits(
            seen @ weight + bias, truth, reduction="none"
        )
        return (each * sample_weights).sum() + ridge * weight.square().sum()

    return minimise(loss, weight, bias)


def _fit_medium(
    seen: Tensor, truth: Tensor, sample_weights: Tensor, ridge: float
) -> tuple[Tensor, Tensor]:
    weight, bias = torch.zeros(len(MEDIA), seen.shape[1]), torch.zeros(len(MEDIA))

    def loss() -> Tensor:
        each = functional.cross_entropy(seen @ weight.T + bias, truth, reduction="none")
        return (each * sample_weights).sum() + ridge * weight.square().sum()

    return minimise(loss, weight, bias)


def minimise(loss: Callable[[], Tensor], weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise ``loss`` from the values of its parameters in ``STEPS`` steps of L-BFGS."""
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimiser = torch.optim.LBFGS(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    return weight.detach(), bias.detach()


def predict(heads: Heads, batch: ViewBatch) -> Logits:
    """Return the logits of all views, in order."""
    with torch.inference_mode():
        labels, medium = heads(torch.from_numpy(batch.embedding), torch.from_numpy(batch.texture))
    return Logits(labels=labels.numpy(), medium=medium.numpy())
