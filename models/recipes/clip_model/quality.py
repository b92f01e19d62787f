"""The figures of the model card, measured on held-out bursts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from frame_model.calibration import LabelCalibration
from frame_model.corpus import CorpusRow
from frame_model.measures import auc, bootstrap, calibration_error, threshold_at
from frame_model.quality import CardRow, resample
from numpy.typing import NDArray

from .calibration import cross_calibrate, harmless
from .extraction import PLAIN
from .fitting import truth_of
from .folds import HeldOutBursts, peaks
from .frame_evidence import FrameEvidence

__all__ = ["GATES", "HEADLINES", "gains", "gate_table", "measure"]

STATED = (0.01, 0.05, 0.1)
"""Shares of ordinary surveillance clips above the thresholds at which recall is given."""
FLAGGED = 0.05
"""The share at which flags on other footage are given."""
GATES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""The gate thresholds in the card's table."""
HEADLINES = frozenset(
    {
        "AUC of clips by their highest burst: as filmed",
        "AUC of clips, footage of the same size and rate held out",
        "calibration error",
    }
)

Array = NDArray[np.float64]


def measure(
    held: HeldOutBursts,
    by_format: HeldOutBursts,
    calibrated: LabelCalibration,
    level: float,
    frame_evidence: Mapping[str, FrameEvidence],
) -> tuple[CardRow, ...]:
    """Return all figures, in the card's order.

    Args:
        by_format: logits by heads that were trained without footage of the same size and rate.
        frame_evidence: scores of the frame model for the same views; empty without its fold models.
    """
    return (
        *_areas(held, frame_evidence),
        *gains(held, frame_evidence).values(),
        _area(
            "AUC of clips by the mean of their bursts: as filmed",
            held.rows,
            *_means(held.logits[PLAIN], held.views[PLAIN].row),
        ),
        _area(
            "AUC of clips, footage of the same size and rate held out",
            held.rows,
            *peaks(by_format.logits[PLAIN], by_format.views[PLAIN].row),
        ),
        *_flags(held),
        *_recommended(held, calibrated, level),
        *_calibration(held, calibrated),
    )


def _areas(held: HeldOutBursts, frame_evidence: Mapping[str, FrameEvidence]) -> Iterator[CardRow]:
    for name, view in held.views.items():
        yield _area(
            f"AUC of clips by their highest burst: {_view_name(name)}",
            held.rows,
            *peaks(held.logits[name], view.row),
        )
        if name in frame_evidence:
            highest = frame_evidence[name].highest(len(held.rows))
            clips = np.flatnonzero(~np.isnan(highest))
            yield _area(
                f"the frame model on the same: {_view_name(name)}",
                held.rows,
                clips,
                highest[clips],
                subject="fight, frames",
            )


def gains(held: HeldOutBursts, frame_evidence: Mapping[str, FrameEvidence]) -> dict[str, CardRow]:
    """Return the gain of AUC over the frame model for each view, on the same resamples."""
    lines = {}
    for name, frames in frame_evidence.items():
        clips, own = peaks(held.logits[name], held.views[name].row)
        theirs = frames.highest(len(held.rows))[clips]
        which = np.array([held.rows[clip].task == "violence_clip" for clip in clips]) & ~np.isnan(
            theirs
        )
        lines[name] = _gain(name, held.rows, clips[which], own[which], theirs[which])
    return lines


def _gain(
    name: str, rows: Sequence[CorpusRow], clips: NDArray[np.int64], own: Array, theirs: Array
) -> CardRow:
    truth, groups = truth_of(rows)[clips].astype(float), [rows[clip].group for clip in clips]
    figure = bootstrap(
        lambda pick: auc(own[pick], truth[pick]) - auc(theirs[pick], truth[pick]), groups
    )
    return CardRow(
        subject="fight",
        what=f"AUC above the frame model's: {name}",
        figure=figure,
        examples=len(groups),
    )


def _view_name(view: str) -> str:
    return f"as live streams show them, draw {view}" if view.isdigit() else view


def _area(
    what: str,
    rows: Sequence[CorpusRow],
    clips: NDArray[np.int64],
    values: Array,
    *,
    subject: str = "fight",
) -> CardRow:
    """Return the AUC of fights against ordinary scenes of the same cameras."""
    own = np.array([rows[clip].task == "violence_clip" for clip in clips])
    scores, truth = values[own], truth_of(rows)[clips[own]].astype(float)
    groups = [rows[clip].group for clip in clips[own]]
    figure = bootstrap(lambda pick: auc(scores[pick], truth[pick]), groups)
    return CardRow(
        subject=subject, what=what, figure=figure, examples=len(groups), headline=what in HEADLINES
    )


def _means(values: Array, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    clips, place = np.unique(row, return_inverse=True)
    return clips, np.bincount(place, weights=values) / np.bincount(place)


def _flags(held: HeldOutBursts) -> Iterator[CardRow]:
    """Yield figures at thresholds that a stated share of the ordinary CCTV clips reach."""
    logits, row = held.logits[PLAIN], held.views[PLAIN].row
    clips, highest = peaks(logits, row)
    ordinary = np.array([held.rows[clip].task == "violence_clip" for clip in clips]) & (
        truth_of(held.rows)[clips] == 0
    )
    fights, own = truth_of(held.rows)[clips] == 1, [held.rows[clip].group for clip in clips]
    for share in STATED:
        found = highest > threshold_at(highest[ordinary], share)
        yield _share(f"fight clips found at {share:.0%} of ordinary CCTV clips", found, fights, own)
    threshold, groups = (
        threshold_at(highest[ordinary], FLAGGED),
        [held.rows[index].group for index in row],
    )
    for kind, which in harmless(held).items():
        if kind != "ordinary CCTV":
            yield _share(
                f"bursts above what {FLAGGED:.0%} of ordinary CCTV clips reach: {kind}, "
                "whatever the medium",
                logits > threshold,
                which,
                groups,
            )


def _recommended(
    held: HeldOutBursts, calibrated: LabelCalibration, level: float
) -> Iterator[CardRow]:
    evident = calibrated.evidence(held.logits[PLAIN]) >= level
    row = held.views[PLAIN].row
    groups = [held.rows[index].group for index in row]
    yield _share(
        "bursts of fights that reach the recommended level",
        evident,
        truth_of(held.rows)[row] == 1,
        groups,
    )
    for kind, which in harmless(held).items():
        yield _share(f"bursts that reach it: {kind}, whatever the medium", evident, which, groups)


def _calibration(held: HeldOutBursts, calibrated: LabelCalibration) -> Iterator[CardRow]:
    """Yield the calibration error on the bursts of the fit, and with each fold calibrated on the
    others."""
    row = held.views[PLAIN].row
    truth, groups = (
        truth_of(held.rows)[row].astype(float),
        [held.rows[index].group for index in row],
    )
    for what, values in (
        ("calibration error", calibrated.probability(held.logits[PLAIN])),
        ("the same, each fold calibrated on the others", cross_calibrate(held)),
    ):
        figure = bootstrap(resample(calibration_error, values, truth), groups)
        yield CardRow(
            subject="fight",
            what=what,
            figure=figure,
            examples=len(groups),
            headline=what in HEADLINES,
        )


def _share(
    what: str, found: NDArray[np.bool_], which: NDArray[np.bool_], groups: Sequence[str]
) -> CardRow:
    hits, own = found[which], [group for group, chosen in zip(groups, which, strict=True) if chosen]
    figure = bootstrap(lambda pick: float(hits[pick].mean()), own)
    return CardRow(
        subject="fight", what=what, figure=figure, examples=len(own), headline=what in HEADLINES
    )


def gate_table(
    rows: Sequence[CorpusRow], frames: FrameEvidence, kinds: Sequence[str], prior: float
) -> dict[float, dict[str, float]]:
    """Return the share of clips of each kind that each gate lets through at this prior."""
    seen, kind = ~np.isnan(frames.highest(len(rows))), np.asarray(kinds)
    by_camera = replace(frames, evidence=np.where(frames.camera, frames.evidence, -np.inf))
    peak = np.nan_to_num(by_camera.highest(len(rows)), nan=-np.inf)
    highest = 1 / (1 + np.exp(-peak - np.log(prior / (1 - prior))))
    return {
        gate: {
            name: float((highest[seen & (kind == name)] >= gate).mean())
            for name in dict.fromkeys(kinds)
        }
        for gate in GATES
    }
