"""Calibration of the clip model, and its recommended policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from frame_model.calibration import GROUP_CAP, LabelCalibration, platt
from frame_model.corpus import CorpusRow
from frame_model.measures import auc
from numpy.typing import NDArray

from .extraction import PLAIN
from .fitting import truth_of
from .folds import HeldOutBursts

__all__ = [
    "LASTING_BURSTS",
    "FittedPolicy",
    "calibrate",
    "cross_calibrate",
    "fit_policy",
    "footage_kind",
    "harmless",
]

LASTING_BURSTS = 2
"""The number of bursts, 2 s apart, that cover the 2.5 s that a level must last."""

STILL_FALSE_POSITIVES = 0.01
"""Share of harmless pictures that may lie above a label's still threshold."""
LIVE_FALSE_POSITIVES = 0.002
"""Share of harmless pictures that may lie above its opening level; lower, because a live stream has
many samples per hour."""
LASTING = 0.01
"""Share of ordinary surveillance clips that may last above it."""
SHADOW_ABOVE = 0.05
"""Share of ordinary surveillance clips that may last above the opening level; a label with more is
not delivered."""
SHADOW_BELOW = 0.75
"""AUC of a label's frames against ordinary surveillance frames under which it is not delivered."""
LEAST_STILL = 0.1
"""Probability below which no picture is flagged."""
LEAST_LEVEL = 2.0
"""Log-odds over the prior below which no level is recommended, however clean the footage here."""

Array = NDArray[np.float64]


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


def calibrate(held: HeldOutBursts, which: NDArray[np.bool_] | None = None) -> LabelCalibration:
    """Fit Platt scaling on held-out bursts of the plain view (of those in the mask ``which``)."""
    row, logits = held.views[PLAIN].row, held.logits[PLAIN]
    chosen = np.ones(len(row), bool) if which is None else which
    weight = _capped_weights([held.rows[index].group for index in row[chosen]])
    truth = truth_of(held.rows)[row[chosen]].astype(float)
    a, b = platt(logits[chosen], truth, weight)
    return LabelCalibration(a=max(a, 1e-3), b=b, prior=float((weight * truth).sum() / weight.sum()))


def cross_calibrate(held: HeldOutBursts) -> Array:
    """Return the probability of each burst of the plain view, calibrated on the other folds."""
    fold, probabilities = held.fold[held.views[PLAIN].row], np.zeros(len(held.views[PLAIN].row))
    for left_out in np.unique(fold):
        which = fold == left_out
        probabilities[which] = calibrate(held, ~which).probability(held.logits[PLAIN][which])
    return probabilities


def _capped_weights(groups: Sequence[str]) -> Array:
    _, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.minimum(1.0, GROUP_CAP / counts)[place]


def footage_kind(row: CorpusRow) -> str:
    """Return the kind of footage of a row, as the card names it."""
    if row.task == "violence_clip":
        return "fights" if row.label == "1" else "ordinary CCTV"
    return {"benign_video": "ordinary video", "screen": "screens"}.get(
        row.task if row.task == "benign_video" else row.label, "games"
    )


def harmless(held: HeldOutBursts) -> dict[str, NDArray[np.bool_]]:
    """Return the masks of bursts of the plain view, for each kind of footage without fights."""
    kinds = np.array([footage_kind(held.rows[index]) for index in held.views[PLAIN].row])
    return {kind: kinds == kind for kind in ("ordinary CCTV", "ordinary video", "games", "screens")}


def fit_policy(
    held: HeldOutBursts, calibrated: LabelCalibration, camera: NDArray[np.bool_]
) -> FittedPolicy:
    """Choose thresholds at the stated false positives, averaged over the kinds of harmless footage,
    and measure them on ordinary CCTV.

    Args:
        camera: the mask of bursts classified as camera; others do not count, as in ``when`` of the
            policy.
    """
    view, logits = held.views[PLAIN], np.where(camera, held.logits[PLAIN], -np.inf)
    kinds = harmless(held)
    ordinary = kinds.pop("ordinary CCTV")
    parts = [logits[which] for which in kinds.values() if which.any()]
    still = float(
        np.clip(
            calibrated.probability(np.array(threshold_above(parts, STILL_FALSE_POSITIVES))),
            LEAST_STILL,
            0.999,
        )
    )
    clips = [logits[ordinary & (view.row == row)] for row in np.unique(view.row[ordinary])]
    lasting = calibrated.evidence(
        np.array([np.sort(clip)[-min(LASTING_BURSTS, len(clip))] for clip in clips])
    )
    live = calibrated.evidence(np.array(threshold_above(parts, LIVE_FALSE_POSITIVES)))
    level = max(
        LEAST_LEVEL,
        round_up(float(live)),
        round_up(float(np.quantile(lasting, 1 - LASTING, method="higher"))),
    )
    shown = truth_of(held.rows)[view.row] == 1
    either = shown | ordinary
    return FittedPolicy(
        level=level,
        still=round(still, 3),
        ordinary=float((lasting >= level).mean()),
        separates=auc(held.logits[PLAIN][either], shown[either].astype(float)),
    )


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
