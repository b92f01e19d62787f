"""Train ``streamwarden-clip`` on labelled clips: one command, resumable, deterministic.

    python models/recipes/train_clip.py --data ../shared/data --out models/streamwarden-clip

The first run extracts bursts and computes their statistics, which are cached in ``--cache``; an
interrupted run resumes there. Fitting, cross-validation and export take a minute. With
``--frame-folds``, the output of ``train.py --folds-out``, the card also compares with the frame
model on the same footage, and states what the gate lets through.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import torch
from clip_model.bursts import BURST, SIDE, extract_bursts, read_video
from clip_model.calibration import calibrate, fit_policy, footage_kind
from clip_model.card import write_card
from clip_model.curves import draw_curves
from clip_model.export import FILE, ClipModelFacts, compare, measure_cost, write_model
from clip_model.extraction import PLAIN, BurstExtraction, extract, select_clips
from clip_model.features import BurstStatistics, compute_statistics, join
from clip_model.fitting import fit_head
from clip_model.folds import HeldOutBursts, cross_validate
from clip_model.frame_evidence import FrameEvidence, score_frames
from clip_model.model import ClipModel
from clip_model.quality import gains, gate_table, measure
from clip_model.scenes import VARIANTS
from clip_model.shipping import write_folds
from frame_model.card import write_table
from frame_model.corpus import CorpusRow, assign_folds, read_manifest
from frame_model.folds import FOLDS
from numpy.typing import NDArray

VERSION = "0.1.0"
GATE = 0.2
"""The gate's threshold of the frame model's fight score, chosen from the table in the card."""
ALIKE = {"15 frames a second"}
"""Variants that do not change single frames."""
COMPARED = 12
"""The number of real and of random bursts on which the exported graph is compared with torch."""


def main() -> None:
    """Parse the command line and run every step."""
    options = parse_arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    everything = read_manifest(options.data)
    folds = assign_folds([row for row in everything if row.task != "benign"], FOLDS)
    rows = tuple(sorted(select_clips(everything), key=lambda row: row.task != "violence_clip"))
    plan = BurstExtraction(data=options.data, cache=options.cache, seed=options.seed)
    views = make_views(rows, folds, plan, draws=options.draws)
    learned = [PLAIN, *(str(draw) for draw in range(1, options.draws + 1))]
    held = cross_validate(views, learned, rows, np.array([folds[row.group] for row in rows]))
    usual = float(np.median(held.ridges))
    by_format = cross_validate(
        {name: views[name] for name in learned},
        learned,
        rows,
        formats(rows, options.data),
        ridge=usual,
    )
    frame_evidence = (
        score_variants(options.frame_folds, rows, folds, plan) if options.frame_folds else {}
    )
    if options.folds_out:
        write_folds(options.folds_out, held, name=options.out.name, version=VERSION, gate=GATE)
    joined = join([views[name] for name in learned])
    ship(options, held, by_format, frame_evidence, ClipModel(fit_head(joined, rows, ridge=usual)))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument(
        "--folds-out",
        type=Path,
        help="also write each fold's model, to judge footage that it never saw",
    )
    parser.add_argument(
        "--frame-folds", type=Path, help="the frame model's fold models, from train.py --folds-out"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path(".cache/streamwarden-clip"), help="bursts, about 1.2 GB"
    )
    parser.add_argument(
        "--draws",
        type=int,
        default=4,
        help="of each fight and ordinary scene, as live streams show it",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    return parser.parse_args()


def make_views(
    rows: tuple[CorpusRow, ...], folds: Mapping[str, int], plan: BurstExtraction, *, draws: int
) -> dict[str, BurstStatistics]:
    """Compute the statistics of each view, by name.

    Games and ordinary video have the plain view and one random view, fights have all.
    """
    fights = tuple(row for row in rows if row.task == "violence_clip")
    more, variants = (
        [str(draw) for draw in range(2, draws + 1)],
        [name for name in VARIANTS if name != PLAIN],
    )
    extract(rows, folds, plan, [PLAIN, "1"])
    extract(fights, folds, plan, [*more, *variants])
    whole = {name: compute_statistics(rows, plan.cache, name) for name in (PLAIN, "1")}
    return whole | {
        name: compute_statistics(fights, plan.cache, name) for name in (*more, *variants)
    }


def formats(rows: tuple[CorpusRow, ...], data: Path) -> np.ndarray:
    """Number the rows by size and frame rate, for stricter folds than those by group.

    Formats that share a group get one number.
    """
    named = []
    for row in rows:
        with av.open(str(data / row.path)) as container:
            stream = container.streams.video[0]
            named.append((stream.width, stream.height, round(float(stream.average_rate or 0))))
    united: dict[object, object] = {}
    for row, form in zip(rows, named, strict=True):
        one, other = _root(united, form), _root(united, row.group)
        united[other] = one
    roots = [_root(united, form) for form in named]
    order = {root: index for index, root in enumerate(dict.fromkeys(roots))}
    return np.array([order[root] for root in roots])


def _root(united: dict[object, object], key: object) -> object:
    while united.setdefault(key, key) != key:
        key = united[key]
    return key


def score_variants(
    models: Path, rows: tuple[CorpusRow, ...], folds: Mapping[str, int], plan: BurstExtraction
) -> dict[str, FrameEvidence]:
    """Score the single frames of each variant with the frame model."""
    fights = tuple(row for row in rows if row.task == "violence_clip")
    own = {row.group: folds[row.group] for row in rows}
    differing = (name for name in VARIANTS if name not in ALIKE)
    return {
        name: score_frames(models, rows if name == PLAIN else fights, own, plan, name)
        for name in differing
    }


def _camera_bursts(
    held: HeldOutBursts, frame_evidence: Mapping[str, FrameEvidence]
) -> NDArray[np.bool_]:
    """Return the mask of bursts whose clip is classified as camera; all without frame evidence."""
    row = held.views[PLAIN].row
    if not frame_evidence:
        return np.ones(len(row), bool)
    return frame_evidence[PLAIN].camera_rows(len(held.rows))[row]


def _gates(
    held: HeldOutBursts, frame_evidence: Mapping[str, FrameEvidence], prior: float
) -> dict[float, dict[str, float]]:
    """Return the table of gates; empty without frame evidence."""
    if not frame_evidence:
        return {}
    kinds = [footage_kind(row) for row in held.rows]
    return gate_table(held.rows, frame_evidence[PLAIN], kinds, prior)


def ship(
    options: argparse.Namespace,
    held: HeldOutBursts,
    by_format: HeldOutBursts,
    frame_evidence: Mapping[str, FrameEvidence],
    model: ClipModel,
) -> None:
    """Calibrate, measure, export and write the card."""
    calibrated = calibrate(held)
    advice = fit_policy(held, calibrated, _camera_bursts(held, frame_evidence))
    lines = measure(held, by_format, calibrated, advice.level, frame_evidence)
    quality = {f"{line.subject}: {line.what}": f"{line.figure}" for line in lines if line.headline}
    surpassed = {name: line.figure.low > 0 for name, line in gains(held, frame_evidence).items()}
    shadow = advice.shadow or not surpassed or not all(surpassed.values())
    facts = ClipModelFacts(
        name=options.out.name,
        version=VERSION,
        calibrated=calibrated,
        advice=advice,
        shadow=shadow,
        gate=GATE,
        quality=quality,
    )
    worst = write_model(options.out, facts, model)
    difference = compare(model, options.out / FILE, check_bursts(options.data, held.rows))
    write_card(
        options.out,
        facts,
        lines,
        _gates(held, frame_evidence, calibrated.prior),
        difference=difference,
        cost=measure_cost(options.out / FILE),
        ridges=held.ridges,
    )
    write_table(options.cache / "quality.csv", lines)
    draw_curves(options.cache / "curves.png", held, calibrated)
    print(
        f"logits differ from torch's by {difference:.2g}; golden scores by {worst:.2g}; "
        f"ridges {held.ridges}"
    )


def check_bursts(data: Path, rows: tuple[CorpusRow, ...]) -> np.ndarray:
    """Return real and random inputs, N x T x H x W x 3 uint8."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), size=COMPARED, replace=False)
    real = [
        np.stack(burst)
        for index in chosen
        for burst in extract_bursts(read_video(data / rows[index].path))[:1]
    ]
    return np.concatenate(
        [
            np.stack(real),
            rng.integers(0, 256, size=(COMPARED, BURST.frames, SIDE, SIDE, 3), dtype=np.uint8),
        ]
    )


if __name__ == "__main__":
    main()
