"""The same network with 16-bit numbers inside, for GPUs, and how far a written graph strays from
what was trained."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .backbone import FrameModel, normalise, texture_of
from .corpus import LABELS
from .export import OUTPUTS, Facts, open_session

__all__ = ["HalfModel", "Strays", "strays"]

DEEPEST = 1e-3
"""Largest difference of a logit between torch and an fp32 graph that still counts as the same
network."""


EXACT = 2
"""Blocks that stay in fp32: their large weights, once rounded, move the embedding by 0.2; all
others together by 0.04."""


class HalfModel(nn.Module):
    """``FrameModel`` whose blocks count in fp16, but for the first ``EXACT``; sums over the picture
    and the heads stay in fp32."""

    def __init__(self, model: FrameModel) -> None:
        super().__init__()
        self.exact, self.lower = model.lower[:EXACT], deepcopy(model.lower[EXACT:]).half()
        self.upper, self.heads = deepcopy(model.upper).half(), model.heads

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N x 224 x 224 x 3 uint8 RGB -> label logits, medium logits, embedding, all float32."""
        middle = self.lower(self.exact(normalise(image)).half())
        embedding = self.upper(middle).float().mean(dim=(2, 3))
        return (*self.heads(embedding, texture_of(middle.float())), embedding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """The largest difference of a written graph from torch in fp32."""

    logit: float
    probability: float
    """After calibration."""
    pictures: int


def strays(
    model: FrameModel,
    path: Path,
    pictures: NDArray[np.uint8],
    facts: Facts,
    *,
    limit: float = DEEPEST,
) -> Strays:
    """How far the graph says something else of these pictures, N x 224 x 224 x 3.

    Raises:
        ValueError: a logit differs by more than ``limit``.
    """
    session, logit, probability = open_session(path), 0.0, 0.0
    for picture in pictures:
        with torch.inference_mode():
            wanted = [values.numpy() for values in model(torch.from_numpy(picture[None]))[:2]]
        got = session.run(list(OUTPUTS[:2]), {"image": picture[None]})
        logit = max(logit, *(float(np.abs(a - b).max()) for a, b in zip(wanted, got, strict=True)))
        probability = max(
            probability,
            float(np.abs(_probabilities(wanted, facts) - _probabilities(got, facts)).max()),
        )
    if not logit <= limit:
        raise ValueError(f"{path}: logits differ from torch's by {logit}, limit is {limit}")
    return Strays(logit=logit, probability=probability, pictures=len(pictures))


def _probabilities(logits: list[NDArray[np.float32]], facts: Facts) -> NDArray[np.float64]:
    labels, medium = (values[0].astype(float) for values in logits)
    said = [
        facts.calibrated[label].probability(labels[column]) for column, label in enumerate(LABELS)
    ]
    shares = np.exp((medium - medium.max()) / facts.temperature)
    return np.concatenate([said, shares / shares.sum()])
