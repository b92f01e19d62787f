"""The fp16 version of the network for GPUs, and the comparison of exported graphs with torch."""

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
from .export import OUTPUTS, FrameModelFacts, open_session

__all__ = ["Fp16Model", "GraphDifference", "compare_graph"]

MAX_DIFFERENCE = 1e-3
"""The largest accepted difference of a logit between torch and an fp32 graph."""


EXACT = 2
"""The number of blocks that stay in fp32, because rounding their large weights moves the embedding
by 0.2, and that of all others by 0.04."""


class Fp16Model(nn.Module):
    """``FrameModel`` with its blocks in fp16, except for the first ``EXACT``; means over the
    picture and the heads stay in fp32."""

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
class GraphDifference:
    """The largest difference of an exported graph from torch in fp32."""

    logit: float
    probability: float
    """Difference of probabilities, after calibration."""
    pictures: int


def compare_graph(
    model: FrameModel,
    path: Path,
    pictures: NDArray[np.uint8],
    facts: FrameModelFacts,
    *,
    limit: float = MAX_DIFFERENCE,
) -> GraphDifference:
    """Compare the graph with torch on pictures, N x 224 x 224 x 3.

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
    return GraphDifference(logit=logit, probability=probability, pictures=len(pictures))


def _probabilities(
    logits: list[NDArray[np.float32]], facts: FrameModelFacts
) -> NDArray[np.float64]:
    labels, medium = (values[0].astype(float) for values in logits)
    probabilities = [
        facts.calibrated[label].probability(labels[column]) for column, label in enumerate(LABELS)
    ]
    shares = np.exp((medium - medium.max()) / facts.temperature)
    return np.concatenate([probabilities, shares / shares.sum()])
