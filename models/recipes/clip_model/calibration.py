"""From logits to probabilities that mean what they say, and the policy that follows, by the rules
of the frame model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from frame_model.calibration import (
    GROUP_CAP,
    LASTING,
    LEAST_LEVEL,
    LEAST_STILL,
    LIVE_FALSE_POSITIVES,
    STILL_FALSE_POSITIVES,
    Advice,
    Calibrated,
    platt,
    threshold_over,
    upwards,
)
from frame_model.corpus import Row
from frame_model.measures import auc
from numpy.typing import NDArray

from .fitting import truth_of
from .folds import HeldOut
from .footage import PLAIN

__all__ = ["LOOKS", "advise", "calibrate", "crossed", "harmless", "kind_of"]

LOOKS = 2
"""Bursts, 2 s apart, that make the 2.5 s for which the fold wants the level to last."""

Array = NDArray[np.float64]


def calibrate(held: HeldOut, which: NDArray[np.bool_] | None = None) -> Calibrated:
    """Platt scaling on bursts as filmed, of groups that the heads never saw (of them those at
    ``which``)."""
    row, logits = held.views[PLAIN].row, held.logits[PLAIN]
    chosen = np.ones(len(row), bool) if which is None else which
    weight = _capped([held.rows[index].group for index in row[chosen]])
    truth = truth_of(held.rows)[row[chosen]].astype(float)
    a, b = platt(logits[chosen], truth, weight)
    return Calibrated(a=max(a, 1e-3), b=b, prior=float((weight * truth).sum() / weight.sum()))


def crossed(held: HeldOut) -> Array:
    """The probability of each burst as filmed, by a calibration that was fitted on the other folds."""
    fold, said = held.fold[held.views[PLAIN].row], np.zeros(len(held.views[PLAIN].row))
    for left_out in np.unique(fold):
        which = fold == left_out
        said[which] = calibrate(held, ~which).probability(held.logits[PLAIN][which])
    return said


def _capped(groups: Sequence[str]) -> Array:
    _, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.minimum(1.0, GROUP_CAP / counts)[place]


def kind_of(row: Row) -> str:
    """What kind of footage a row is, in the card's words."""
    if row.task == "violence_clip":
        return "fights" if row.label == "1" else "ordinary CCTV"
    return {"benign_video": "ordinary video", "screen": "screens"}.get(
        row.task if row.task == "benign_video" else row.label, "games"
    )


def harmless(held: HeldOut) -> dict[str, NDArray[np.bool_]]:
    """Kinds of footage that hold no fight: which bursts, as filmed, they are."""
    kinds = np.array([kind_of(held.rows[index]) for index in held.views[PLAIN].row])
    return {kind: kinds == kind for kind in ("ordinary CCTV", "ordinary video", "games", "screens")}


def advise(held: HeldOut, calibrated: Calibrated, camera: NDArray[np.bool_]) -> Advice:
    """Thresholds at the stated false positives, the mean over the kinds of harmless footage, and
    what ordinary CCTV then does.

    Args:
        camera: bursts whose medium is said to be a camera; the others do not count, as the policy's
        ``when`` says.
    """
    view, logits = held.views[PLAIN], np.where(camera, held.logits[PLAIN], -np.inf)
    kinds = harmless(held)
    ordinary = kinds.pop("ordinary CCTV")
    parts = [logits[which] for which in kinds.values() if which.any()]
    still = float(
        np.clip(
            calibrated.probability(np.array(threshold_over(parts, STILL_FALSE_POSITIVES))),
            LEAST_STILL,
            0.999,
        )
    )
    clips = [logits[ordinary & (view.row == row)] for row in np.unique(view.row[ordinary])]
    lasting = calibrated.evidence(
        np.array([np.sort(clip)[-min(LOOKS, len(clip))] for clip in clips])
    )
    live = calibrated.evidence(np.array(threshold_over(parts, LIVE_FALSE_POSITIVES)))
    level = max(
        LEAST_LEVEL,
        upwards(float(live)),
        upwards(float(np.quantile(lasting, 1 - LASTING, method="higher"))),
    )
    shown = truth_of(held.rows)[view.row] == 1
    either = shown | ordinary
    return Advice(
        level=level,
        still=round(still, 3),
        ordinary=float((lasting >= level).mean()),
        separates=auc(held.logits[PLAIN][either], shown[either].astype(float)),
    )
