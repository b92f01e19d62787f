"""Tuning the last blocks of the backbone together with the heads, near where they started.

The heads of guns and fires stay, and the logit of guns is held near the one before, because guns
in photographs are ranked well already and every free step loses some (measured: found at 2 % of
photographs 0.859 instead of 0.891). What the blocks learn is smoke, fire and the medium.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .backbone import SPLIT, TUNED, FrameModel, Heads, embed
from .corpus import LABELS, CorpusRow
from .features import ViewBatch
from .fitting import Logits, sample_weights
from .tuning_views import TuningViews

__all__ = ["judge_views", "tune"]

STEPS, VIEWS = 150, 64
RATE, HEAD_RATE = 5e-5, 2e-4
"""The highest learning rates, of blocks and heads."""
WARM_UP = 0.2
"""The share of the steps in which the learning rates rise."""
NEAR, NEAR_EMBEDDING = 0.05, 0.1
"""The weights of the squared distances to the published weights, and to their embedding in spreads
of each of its values."""
LEAST_SPREAD = 0.05
DROPOUT = 0.2
"""The share of the embedding that is replaced by its mean in each step."""
SHARES: Mapping[str, float] = {"fight": 1.0, "gun": 0.0, "fire": 1.5, "smoke": 1.0, "medium": 0.5}
"""The weights of the losses."""
FROZEN = ("gun", "fire")
"""The labels whose heads stay, so that the blocks alone change what they say."""
HELD: Mapping[str, float] = {"gun": 16.0}
"""The labels whose logits are held near those before, and the weights of that."""
FOCUSED = ("gun", "fire", "smoke")
"""The labels whose negatives count by their score. Fights lose if theirs do."""
LEAST_FOCUS = 0.05
JUDGED = 128
"""The number of views that are judged at once."""
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningStep:
    """The views of one step."""

    activations: Tensor
    """N x 160 x 7 x 7."""
    embedding: Tensor
    """N x 1280, of the published blocks."""
    texture: Tensor
    values: Tensor
    medium: Tensor
    importance: Tensor
    """N x (labels and medium): the weight of each value, relative to how often it is drawn."""


class StartingPoint:
    """The network before tuning, which the tuned one stays near."""

    def __init__(self, blocks: nn.Module, heads: Heads, embedding: Tensor) -> None:
        self.weights = [weight.detach().clone() for weight in blocks.parameters()]
        self.heads = deepcopy(heads)
        self.spread = embedding.std(dim=0) + LEAST_SPREAD

    def distance(self, blocks: nn.Module, embedding: Tensor, step: TuningStep) -> Tensor:
        """Return the penalty on the weights and on the embedding of a step."""
        moved = ((embedding - step.embedding) / self.spread).square().mean()
        pairs = zip(blocks.parameters(), self.weights, strict=True)
        weights = torch.stack([(new - old).square().sum() for new, old in pairs]).sum()
        return NEAR_EMBEDDING * moved + NEAR * weights

    def difference(self, heads: Heads, embedding: Tensor, step: TuningStep) -> Tensor:
        """Return the penalty on logits that are held near those before."""
        now, _ = heads(embedding, step.texture)
        with torch.no_grad():
            before, _ = self.heads(step.embedding, step.texture)
        columns = [LABELS.index(label) for label in HELD]
        each = functional.smooth_l1_loss(now[:, columns], before[:, columns], reduction="none")
        return (each.mean(dim=0) * torch.tensor(list(HELD.values()))).sum()


def tune(
    blocks: nn.Sequential,
    heads: Heads,
    views: TuningViews,
    which: NDArray[np.int64],
    rows: Sequence[CorpusRow],
) -> FrameModel:
    """Tune copies of the blocks from ``TUNED`` on and of the heads on the views at ``which``;
    deterministic for a number of threads."""
    batch = views.batch.take(which)
    upper = deepcopy(blocks[TUNED:]).to(memory_format=torch.channels_last)
    start = StartingPoint(upper, heads, torch.from_numpy(batch.embedding))
    heads = deepcopy(heads)
    draws, importance = draw_views(batch, rows)
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(SEED)
        optimiser = _optimiser(upper, heads)
        rates = [group["lr"] for group in optimiser.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rates, total_steps=STEPS, pct_start=WARM_UP
        )
        for number, drawn in enumerate(draws):
            step = _take(batch, views.activations[which[drawn]], drawn, importance)
            optimiser.zero_grad(set_to_none=True)
            _loss(upper, heads, start, step, mirrored=number % 2 == 1).backward()
            freeze(heads)
            optimiser.step()
            schedule.step()
    tuned = upper.requires_grad_(False)
    return FrameModel(nn.Sequential(*blocks[:TUNED], *tuned), heads.requires_grad_(False)).eval()


def draw_views(
    batch: ViewBatch, rows: Sequence[CorpusRow]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the views of each step (steps x ``VIEWS``), and the weight of every value of every
    view (N x labels and medium), relative to how often the view is drawn."""
    by_label, by_medium = (weights.double().numpy() for weights in sample_weights(batch, rows))
    shares = np.array([SHARES[name] for name in (*LABELS, "medium")])
    weights = np.concatenate([by_label, by_medium[:, None]], axis=1) * shares
    chance = weights.sum(axis=1)
    chance /= chance.sum()
    draws = np.random.default_rng(SEED).choice(len(batch), size=(STEPS, VIEWS), p=chance)
    return draws, (weights / np.maximum(chance, 1e-12)[:, None]).astype(np.float32)


def _optimiser(upper: nn.Module, heads: Heads) -> torch.optim.Adam:
    """Return the optimiser of the blocks, and of the heads except hidden layers, which belong to
    frozen ones."""
    of_heads = [
        weight
        for layer in (heads.labels, heads.above, heads.medium)
        for weight in layer.requires_grad_().parameters()
    ]
    return torch.optim.Adam(
        [
            {"params": list(upper.requires_grad_().parameters()), "lr": RATE},
            {"params": of_heads, "lr": HEAD_RATE},
        ]
    )


def freeze(heads: Heads) -> None:
    """Drop the gradients of the frozen labels' heads."""
    columns = [LABELS.index(label) for label in FROZEN]
    for layer in (heads.labels, heads.above):
        for weight in layer.parameters():
            if weight.grad is not None:
                weight.grad[columns] = 0


def _take(
    batch: ViewBatch,
    activations: NDArray[np.float16],
    drawn: NDArray[np.int64],
    importance: NDArray[np.float32],
) -> TuningStep:
    return TuningStep(
        activations=torch.from_numpy(activations).float(),
        embedding=torch.from_numpy(batch.embedding[drawn]),
        texture=torch.from_numpy(batch.texture[drawn]),
        values=torch.from_numpy(batch.values[drawn]),
        medium=torch.from_numpy(batch.medium[drawn]),
        importance=torch.from_numpy(importance[drawn]),
    )


def _loss(
    upper: nn.Sequential, heads: Heads, start: StartingPoint, step: TuningStep, *, mirrored: bool
) -> Tensor:
    x = step.activations.flip(3) if mirrored else step.activations
    embedding = embed(upper, x.contiguous(memory_format=torch.channels_last))
    centre = heads.clues.embedding.centre
    kept = (torch.rand_like(embedding) > DROPOUT).float()
    labels, medium = heads(centre + (embedding - centre) * kept, step.texture)
    return (
        answers_loss(labels, medium, step)
        + start.difference(heads, embedding, step)
        + start.distance(upper, embedding, step)
    )


def answers_loss(labels: Tensor, medium: Tensor, step: TuningStep) -> Tensor:
    """Return the mean weighted loss of the labels' logits and the medium's."""
    known = ~step.values.isnan()
    weights = step.importance[:, : len(LABELS)] * known
    each = functional.binary_cross_entropy_with_logits(
        labels, step.values.nan_to_num(), reduction="none"
    )
    by_label = (each * weights * focus(labels.detach(), step.values, weights)).sum()
    seen = step.medium >= 0
    of_medium = functional.cross_entropy(medium[seen], step.medium[seen], reduction="none")
    by_medium = (of_medium * step.importance[seen, len(LABELS)]).sum()
    return (by_label + by_medium) / len(labels)


def focus(logits: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Return the factor of each value: for negatives of focused labels their score, of the same
    total weight; else 1."""
    focused = torch.tensor([label in FOCUSED for label in LABELS])
    negative = (values == 0) & focused
    score = torch.sigmoid(logits) + LEAST_FOCUS
    total = (weights * negative).sum(dim=0)
    mean = (score * weights * negative).sum(dim=0) / total.clamp(min=1e-9)
    return torch.where(negative & (total > 0), score / mean.clamp(min=1e-9), torch.ones(()))


def judge_views(model: FrameModel, views: TuningViews, which: NDArray[np.int64]) -> Logits:
    """Return the logits of the views at ``which``, in order."""
    upper = model.upper[TUNED - SPLIT :]
    parts = [np.zeros((0, len(LABELS)), np.float32)], [np.zeros((0, 3), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(which), JUDGED):
            some = which[start : start + JUDGED]
            x = torch.from_numpy(views.activations[some]).float()
            embedding = embed(upper, x.contiguous(memory_format=torch.channels_last))
            logits = model.heads(embedding, torch.from_numpy(views.batch.texture[some]))
            for part, answer in zip(parts, logits, strict=True):
                part.append(answer.numpy())
    labels, medium = (np.concatenate(part) for part in parts)
    return Logits(labels=labels, medium=medium)
