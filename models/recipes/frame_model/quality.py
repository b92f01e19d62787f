"""The figures of the model card, measured on held-out views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import LabelCalibration, calibrate, harmless
from .corpus import LABELS, MEDIA
from .folds import FOLDS, HeldOutViews
from .measures import Figure, auc, bootstrap, calibration_error, threshold_at

__all__ = ["CardRow", "measure", "resample"]

STATED = 0.02
"""False positives on photographs at which recalls are given."""
GUN_WIDTHS = ((12, 30), (30, 60), (60, 120), (120, 225))
"""Ranges of the widest gun's width in pixels of the network's input."""

LARGE_SCENE = 40
"""Pictures of a scene that has a row of its own."""
HEADLINES = frozenset(
    {
        "AUC of fires against look-alikes of another source",
        "AUC of clips by their highest frame, as filmed",
        f"recall on web photographs at {STATED:.0%} false positives on photographs",
        f"fire or smoke found at {STATED:.0%} false positives each",
        "AUC camera against rendered, games never trained on",
        "calibration error",
    }
)

Mask = NDArray[np.bool_]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """One row of the card's table."""

    subject: str
    """The label, or the medium."""
    what: str
    figure: Figure
    examples: int
    headline: bool = False
    """True if the manifest states it too."""


def measure(
    held: HeldOutViews,
    calibrated: Mapping[str, LabelCalibration],
    offsets: NDArray[np.float64],
) -> tuple[CardRow, ...]:
    """Return all figures, in the card's order; ``offsets`` are added to the medium's logits, as in
    the exported model."""
    shipped = replace(held, medium=held.medium + offsets)
    return (
        *_fight(held),
        *_guns(held),
        *_fire(held),
        *_medium(shipped),
        *_calibration(held, calibrated),
        *_flags(held),
    )


def _fight(held: HeldOutViews) -> Iterator[CardRow]:
    clips = held.stratum == "violence_clip"
    for name, plain in (
        ("as filmed", held.batch.view == 0),
        ("as live streams show them", held.batch.view > 0),
    ):
        scores, truth, groups = _by_clip(held, clips & plain, "fight")
        yield _line(
            "fight",
            f"AUC of clips by their highest frame, {name}",
            resample(auc, scores, truth),
            groups,
        )


def _by_clip(
    held: HeldOutViews, which: Mask, label: str
) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    clips = np.unique(held.batch.row[which])
    logits = held.labels[:, LABELS.index(label)]
    peaks = np.array([logits[which & (held.batch.row == clip)].max() for clip in clips])
    return (
        peaks,
        np.array([int(held.rows[clip].label) for clip in clips]),
        [held.rows[clip].group for clip in clips],
    )


def _guns(held: HeldOutViews) -> Iterator[CardRow]:
    found = _above_threshold(held, "gun")
    armed = held.label == "1"
    web, plain = (held.stratum == "weapon_web") & armed, held.batch.view == 0
    yield _share(
        "gun",
        f"recall on web photographs at {STATED:.0%} false positives on photographs",
        held,
        found,
        web & plain,
    )
    shown = held.batch.view > 0
    yield _share(
        "gun",
        "the same, as live streams show them",
        held,
        found,
        web & shown & (held.batch.values[:, 1] == 1),
    )
    for low, high in GUN_WIDTHS:
        wide = (held.batch.gun_width >= low) & (held.batch.gun_width < high)
        yield _share(
            "gun", f"the same, widest gun {low} to {high} pixels", held, found, web & plain & wide
        )
    cctv = (held.stratum == "weapon_cctv") & plain
    for camera in sorted(set(held.group[cctv])):
        here = cctv & (held.group == camera)
        yield _share("gun", f"recall on unseen camera {camera}", held, found, here & armed)
        yield _share("gun", f"flags on gunless frames of {camera}", held, found, here & ~armed)
        own = held.labels[:, LABELS.index("gun")] > threshold_at(
            held.labels[here & ~armed, LABELS.index("gun")], STATED
        )
        yield _share(
            "gun",
            f"recall on {camera} where {STATED:.0%} of its own gunless frames are flagged",
            held,
            own,
            here & armed,
        )


def _fire(held: HeldOutViews) -> Iterator[CardRow]:
    fire, smoke = _above_threshold(held, "fire"), _above_threshold(held, "smoke")
    either = np.maximum(fire, smoke)
    scenes = (held.stratum == "fire") & (held.batch.view == 0)
    look_alike = (held.stratum == "look_alike") & (held.batch.view == 0)
    flames = scenes & (held.label == "fire")
    against = np.flatnonzero(flames | look_alike)
    yield _line(
        "fire",
        "AUC of fires against look-alikes of another source",
        resample(
            auc,
            held.labels[against, LABELS.index("fire")],
            (held.label[against] == "fire").astype(int),
        ),
        held.group[against].tolist(),
    )
    burning = scenes & (held.label != "normal")
    what = f"fire or smoke found at {STATED:.0%} false positives each"
    yield _share("fire", what, held, either, burning)
    streamed = (held.stratum == "fire") & (held.batch.view > 0) & (held.label != "normal")
    yield _share("fire", "the same, as live streams show them", held, either, streamed)
    for scene in sorted(set(held.group[burning])):
        if np.sum(burning & (held.group == scene)) < LARGE_SCENE:
            continue
        yield _share(
            "fire", f"as filmed, scene {scene}", held, either, burning & (held.group == scene)
        )
    yield _share(
        "fire",
        "flags on frames of the same scenes without fire",
        held,
        either,
        scenes & (held.label == "normal"),
    )
    yield _share("smoke", "smoke found as smoke", held, smoke, burning & (held.label == "smoke"))


def _medium(held: HeldOutViews) -> Iterator[CardRow]:
    others = np.logaddexp(held.medium[:, 1], held.medium[:, 2])
    camera = held.medium[:, 0] - others
    inside = (held.fold >= 0) & (held.batch.view == 0) & (held.batch.medium >= 0)
    for index, name in ((1, "rendered"), (2, "screen")):
        which = np.flatnonzero(inside & np.isin(held.batch.medium, [0, index]))
        truth = (held.batch.medium[which] == 0).astype(int)
        score = camera[which]
        groups = held.group[which].tolist()
        yield _line(
            "medium",
            f"AUC camera against {name}, games never trained on",
            resample(auc, score, truth),
            groups,
        )
    right = held.medium.argmax(axis=1) == held.batch.medium
    for index, name in enumerate(MEDIA):
        yield _share(
            "medium", f"named right: {name}", held, right, inside & (held.batch.medium == index)
        )
    for game in sorted(set(held.group[inside & (held.batch.medium == 1)])):
        yield _share("medium", f"named right: {game}", held, right, inside & (held.group == game))
    called = held.medium.argmax(axis=1) == MEDIA.index("camera")
    for index, name in enumerate(MEDIA[1:], start=1):
        yield _share(
            "medium", f"called camera: {name}", held, called, inside & (held.batch.medium == index)
        )
    yield _share(
        "medium",
        "called camera: photographs",
        held,
        called,
        (held.fold < 0) & (held.batch.view == 0),
    )


def _calibration(
    held: HeldOutViews, calibrated: Mapping[str, LabelCalibration]
) -> Iterator[CardRow]:
    for column, label in enumerate(LABELS):
        which = np.flatnonzero(
            (held.fold >= 0) & (held.batch.view == 0) & ~np.isnan(held.batch.values[:, column])
        )
        probabilities = calibrated[label].probability(held.labels[which, column])
        truth = held.batch.values[which, column].astype(float)
        groups = held.group[which].tolist()
        yield _line(
            label,
            "calibration error",
            resample(calibration_error, probabilities, truth),
            groups,
        )
        strange = _calibrated_by_others(held, label)[which]
        yield _line(
            label,
            "the same, calibrated by the other folds",
            resample(calibration_error, strange, truth),
            groups,
        )


def _calibrated_by_others(held: HeldOutViews, label: str) -> NDArray[np.float64]:
    """Return the probabilities of each fold's views, calibrated on the other folds."""
    probabilities = np.full(len(held.fold), np.nan)
    for fold in range(FOLDS):
        own = held.fold == fold
        probabilities[own] = calibrate(held.take(~own), label).probability(
            held.labels[own, LABELS.index(label)]
        )
    return probabilities


def _flags(held: HeldOutViews) -> Iterator[CardRow]:
    for label in LABELS:
        found = _above_threshold(held, label)
        for kind, which in harmless(held, label).items():
            if kind != "photographs":
                yield _share(
                    label,
                    f"false positives on {kind}, at {STATED:.0%} on photographs",
                    held,
                    found,
                    which,
                )


def _above_threshold(held: HeldOutViews, label: str) -> Shares:
    """Return for each view whether it is above the threshold of its fold, which ``STATED`` of the
    photographs exceed; for views outside the folds, the share of folds in which it is."""
    column = LABELS.index(label)
    outside = held.fold < 0
    photographs = harmless(held, label)["photographs"][outside]
    found = np.zeros(len(held.fold))
    for fold in range(FOLDS):
        strangers = held.strangers[fold, :, column]
        threshold = threshold_at(strangers[photographs], STATED)
        found[held.fold == fold] = held.labels[held.fold == fold, column] > threshold
        found[outside] += (strangers > threshold) / FOLDS
    return found


def _share(subject: str, what: str, held: HeldOutViews, found: Shares, which: Mask) -> CardRow:
    hits = found[which]
    return _line(subject, what, lambda pick: float(hits[pick].mean()), held.group[which].tolist())


def resample(
    measure: Callable[[NDArray[Any], NDArray[Any]], float],
    scores: NDArray[Any],
    truth: NDArray[Any],
) -> Callable[[NDArray[np.int64]], float]:
    """Return the measure as a function of the rows that a bootstrap round drew."""
    return lambda pick: measure(scores[pick], truth[pick])


def _line(
    subject: str, what: str, measured: Callable[[NDArray[np.int64]], float], groups: list[str]
) -> CardRow:
    return CardRow(
        subject=subject,
        what=what,
        figure=bootstrap(measured, groups),
        examples=len(groups),
        headline=what in HEADLINES,
    )
