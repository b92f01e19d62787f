"""Calibration of logits to probabilities, and the thresholds of the recommended policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .corpus import LABELS, MEDIA, WEAPON_CLASSES
from .fitting import minimise
from .folds import HeldOutViews
from .measures import auc

__all__ = [
    "FittedPolicy",
    "LabelCalibration",
    "calibrate",
    "calibrate_medium",
    "fit_policy",
    "harmless",
    "platt",
    "round_up",
    "threshold_above",
]

GROUP_CAP = 300
"""Frames of one group that count in full; a larger group counts no more than this (measured: at 50
the calibration error of fights is 0.10, at 300 it is 0.04, for what seldom shows a fight comes in
large groups)."""
STILL_FALSE_POSITIVES = 0.01
"""Share of harmless pictures that may lie above a label's still threshold."""
LIVE_FALSE_POSITIVES = 0.002
"""Share of harmless pictures that may lie above its opening level; lower, because a live stream has
many samples per hour."""
LASTING = 0.01
"""Share of ordinary surveillance clips that may last above it."""
LASTING_FRAMES = 5
"""The number of frames, half a second apart, that cover the 2.5 s that a level must last."""
SHADOW_ABOVE = 0.05
"""Share of ordinary surveillance clips that may last above the opening level; a label with more is
not delivered."""
SHADOW_BELOW = 0.75
"""AUC of a label's frames against ordinary surveillance frames under which it is not delivered."""
LEAST_STILL = 0.1
"""Probability below which no picture is flagged."""
LEAST_LEVEL = 2.0
"""Log-odds over the prior below which no level is recommended, however clean the footage here."""
ON_STREAMS: Mapping[str, float] = {"fight": 2.5, "gun": 3.2, "fire": 3.5, "smoke": 3.2}
"""Level of each label as fitted for dwell on streams (docs/evaluation.md, 0.3.0): the lowest
without a false incident on moving footage and with at most one harmless photograph in 200, however
the pieces stand."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCalibration:
    """Platt scaling of a label: ``probability = sigmoid(a * logit + b)``, valid for a share of
    positives of ``prior``."""

    a: float
    b: float
    prior: float

    def logit(self, logits: Array) -> Array:
        """Return the logits of the calibrated probabilities."""
        return self.a * logits + self.b

    def probability(self, logits: Array) -> Array:
        """Return the calibrated probabilities, in (0, 1)."""
        return 1 / (1 + np.exp(-self.logit(logits)))

    def evidence(self, logits: Array) -> Array:
        """Return the evidence, log-odds over the prior, which the fold sums up."""
        return self.logit(logits) - np.log(self.prior / (1 - self.prior))


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPolicy:
    """A recommended policy with the measurements that it is based on."""

    level: float
    """Log-odds over the prior at which an incident opens."""
    still: float
    """Probability from which a single picture is flagged."""
    ordinary: float
    """Share of ordinary surveillance clips that stay above the level for as long as the fold asks,
    or for all of a shorter clip."""

    separates: float
    """AUC of its frames against ordinary surveillance frames."""

    @property
    def shadow(self) -> bool:
        """True if the label must not be delivered: too many ordinary clips reach the level, or the
        AUC is too low."""
        return self.ordinary > SHADOW_ABOVE or self.separates < SHADOW_BELOW


def platt(logits: Array, truth: Array, weight: Array, *, steps: int = 50) -> tuple[float, float]:
    """Return slope and offset with the lowest weighted log-loss, by Newton's method.

    >>> a, b = platt(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4))
    >>> abs(a) < 1e-6 and abs(b) < 1e-6
    True
    """
    inputs = np.stack([logits, np.ones_like(logits)])
    answer = np.array([1.0, 0.0])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-answer @ inputs))
        curvature = (inputs * (weight * p * (1 - p))) @ inputs.T + 1e-9 * np.eye(2)
        answer = answer - np.linalg.solve(curvature, inputs @ (weight * (p - truth)))
    return float(answer[0]), float(answer[1])


def calibrate(held: HeldOutViews, label: str) -> LabelCalibration:
    """Fit Platt scaling on held-out logits of view 0, which is what the scanner sees."""
    column = LABELS.index(label)
    values = held.batch.values[:, column]
    which = (held.fold >= 0) & (held.batch.view == 0) & ~np.isnan(values)
    weight = _capped_weights(held.group[which])
    truth = values[which].astype(float)
    a, b = platt(held.labels[which, column], truth, weight)
    return LabelCalibration(a=max(a, 1e-3), b=b, prior=float((weight * truth).sum() / weight.sum()))


def calibrate_medium(held: HeldOutViews) -> tuple[float, Array]:
    """Fit a temperature and an offset of each medium's logit.

    Heads favour the camera on games that they were not trained on; the offsets, fitted on held-out
    games, correct this.
    """
    which = (held.fold >= 0) & (held.batch.view == 0) & (held.batch.medium >= 0)
    logits, truth = torch.from_numpy(held.medium[which]), torch.from_numpy(held.batch.medium[which])
    weight = torch.from_numpy(_capped_weights(held.group[which]))
    for index in range(len(MEDIA)):
        weight[truth == index] /= weight[truth == index].sum()
    sharpness, offsets = (
        torch.ones((), dtype=torch.float64),
        torch.zeros(len(MEDIA), dtype=torch.float64),
    )

    def loss() -> torch.Tensor:
        return (
            functional.cross_entropy(sharpness * (logits + offsets), truth, reduction="none")
            * weight
        ).sum()

    minimise(loss, sharpness, offsets)
    return float(1 / sharpness.detach()), (offsets - offsets.mean()).detach().numpy()


def _capped_weights(groups: NDArray[np.str_]) -> Array:
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.minimum(1.0, GROUP_CAP / counts)[place]


def harmless(held: HeldOutViews, label: str) -> dict[str, NDArray[np.bool_]]:
    """Return the masks of views of each kind of pictures without ``label``."""
    plain, stratum = held.batch.view == 0, held.stratum
    armed = np.isin(
        [name.partition("_")[2].lower() for name in held.label], list(WEAPON_CLASSES)
    ) & (stratum == "benign")
    return {
        "photographs": plain & (stratum == "benign") & ~(armed & (label == "gun")),
        "ordinary video": plain & (stratum == "benign_video"),
        "games": plain & np.isin(stratum, ["rendered_3d", "rendered_2d"]),
        "screens": plain & (stratum == "screen"),
        "ordinary CCTV": plain & (stratum == "violence_clip") & (held.label == "0"),
    }


def _lasting_logits(
    held: HeldOutViews, ordinary: NDArray[np.bool_], logits: NDArray[Any]
) -> NDArray[Any]:
    """Return the highest logit of each clip of ordinary CCTV that lasts."""
    clips = [
        logits[ordinary & (held.batch.row == row)] for row in np.unique(held.batch.row[ordinary])
    ]
    return np.array([np.sort(clip)[-min(LASTING_FRAMES, len(clip))] for clip in clips])


def fit_policy(
    held: HeldOutViews, label: str, calibrated: LabelCalibration, camera: NDArray[np.bool_]
) -> FittedPolicy:
    """Choose thresholds at the stated false positives, averaged over the kinds of harmless
    pictures, and measure them on ordinary CCTV.

    CCTV is measured by clips that stay above the level, because the positives of some labels are
    CCTV too.

    Args:
        camera: the mask of views classified as camera; others do not count, as in ``when`` of the
            policy.
    """
    logits = np.where(camera, held.labels[:, LABELS.index(label)], -np.inf)
    kinds = harmless(held, label)
    ordinary = kinds.pop("ordinary CCTV")
    pictures = [logits[which] for which in kinds.values() if which.any()]
    still = float(
        np.clip(
            calibrated.probability(np.array(threshold_above(pictures, STILL_FALSE_POSITIVES))),
            LEAST_STILL,
            0.999,
        )
    )
    lasting = calibrated.evidence(_lasting_logits(held, ordinary, logits))
    live = calibrated.evidence(np.array(threshold_above(pictures, LIVE_FALSE_POSITIVES)))
    level = max(
        LEAST_LEVEL,
        ON_STREAMS[label],
        round_up(float(live)),
        round_up(float(np.quantile(lasting, 1 - LASTING, method="higher"))),
    )
    return FittedPolicy(
        level=level,
        still=round(still, 3),
        ordinary=float((lasting >= level).mean()),
        separates=_separation(held, label, ordinary),
    )


def _separation(held: HeldOutViews, label: str, ordinary: NDArray[np.bool_]) -> float:
    column = LABELS.index(label)
    shown = (held.fold >= 0) & (held.batch.view == 0) & (held.batch.values[:, column] == 1)
    which = shown | ordinary
    return auc(held.labels[which, column], shown[which].astype(float))


def round_up(level: float) -> float:
    """Round up to the next tenth above ``level``."""
    return float(np.floor(10 * level) + 1) / 10


def threshold_above(kinds: Sequence[Array], most: float) -> float:
    """Return the lowest logit above which at most this share lies; all kinds have equal weight."""
    logits = np.concatenate(kinds)
    share = np.concatenate([np.full(len(kind), 1 / len(kind) / len(kinds)) for kind in kinds])
    order = np.argsort(-logits)
    above = np.cumsum(share[order]) - share[order]
    return float(logits[order][above <= most].min())
