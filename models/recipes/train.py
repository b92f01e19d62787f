"""Train ``streamwarden-frame`` on labelled footage: one command, one seed, resumable.

    python models/recipes/train.py --data ../shared/data --backbone
    ../shared/models/mobilenet_v2_imagenet.pt \\
        --out models/streamwarden-frame

The first run computes views and their activations, which are cached in ``--cache``; an interrupted
run resumes there. Fitting, cross-validation and export take minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from frame_model.backbone import FrameModel, load_blocks, load_classifier
from frame_model.card import write_card, write_table
from frame_model.corpus import CorpusRow, assign_folds, read_manifest
from frame_model.curves import draw_curves
from frame_model.drawn import drawn_rows
from frame_model.export import cost_ratio
from frame_model.features import ViewExtraction, extract, load
from frame_model.fitting import fit_heads
from frame_model.folds import FOLDS, HeldOutViews, cross_validate
from frame_model.fp16 import compare_graph
from frame_model.pictures import open_frames, scale_to_input
from frame_model.quality import measure
from frame_model.shipping import FILE, HALF, fit_facts, write_folds, write_model

from scanner.types import Fit

VERSION = "0.3.0"
DRAWN = 24
"""The number of pictures of each drawn scene, which are used for training only."""
HALF_LIMIT = 0.3
"""The largest accepted difference of a logit in fp16."""
COMPARED = 64
"""The number of real and of random frames on which the exported graph is compared with torch."""


def main() -> None:
    """Parse the command line and run every step."""
    options = parse_arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    footage, drawn = read_manifest(options.data), drawn_rows(DRAWN)
    folds = assign_folds([row for row in footage if row.task != "benign"], FOLDS) | assign_folds(
        drawn, FOLDS
    )
    blocks, classifier = load_blocks(options.backbone), load_classifier(options.backbone)
    seeing = load_blocks(options.backbone).to("cuda" if torch.cuda.is_available() else "cpu")
    plan = ViewExtraction(data=options.data, cache=options.cache, fit=Fit.SQUASH, seed=options.seed)
    extract(footage, folds, seeing, plan, views=options.views, behind=footage)
    extract(
        drawn,
        folds,
        seeing,
        replace(plan, cache=plan.cache / "drawn"),
        views=options.views,
        behind=footage,
    )
    own = load(footage, plan.cache, plan.fit, views=options.views)
    batch = own.followed_by(
        load(drawn, plan.cache / "drawn", plan.fit, views=options.views), rows=len(footage)
    )
    rows = (*footage, *drawn)
    held_out, heads_by_fold = cross_validate(batch, rows, folds, classifier)
    heads = fit_heads(batch.take(held_out.fold >= 0), rows, classifier)
    held = held_out.take(held_out.batch.row < len(footage))
    if options.folds_out:
        write_folds(
            options.folds_out, held, heads_by_fold, blocks, name=options.out.name, version=VERSION
        )
    ship(options, footage, held, FrameModel(blocks, heads))


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument(
        "--backbone",
        type=Path,
        required=True,
        help="MobileNetV2 weights: a state dict of plain tensors",
    )
    parser.add_argument("--plain", type=Path, help="the backbone as ONNX, to compare the cost with")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument(
        "--folds-out",
        type=Path,
        help="also write each fold's model, to judge footage that it never saw",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache/streamwarden-frame"),
        help="views and activations, about 1.5 GB",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=4,
        help="of each frame: one as filmed, the others as live streams show it",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    return parser.parse_args()


def ship(
    options: argparse.Namespace, rows: tuple[CorpusRow, ...], held: HeldOutViews, model: FrameModel
) -> None:
    """Calibrate, measure, export and write the card."""
    facts = fit_facts(held, name=options.out.name, version=VERSION)
    lines = measure(held, facts.calibrated, facts.advice, facts.offsets)
    facts = replace(
        facts,
        quality={
            f"{line.subject}: {line.what}": f"{line.figure}" for line in lines if line.headline
        },
    )
    worst = write_model(options.out, facts, model)
    pictures = check_pictures(options.data, rows)
    full = compare_graph(model, options.out / FILE, pictures, facts)
    half = compare_graph(model, options.out / HALF, pictures, facts, limit=HALF_LIMIT)
    ratio = cost_ratio(options.out / FILE, options.plain) if options.plain else float("nan")
    write_card(options.out, facts, lines, half)
    write_table(options.cache / "quality.csv", lines)
    draw_curves(options.cache / "curves.png", held, facts.calibrated)
    print(
        f"logits differ from torch's by {full.logit:.2g}; golden scores by {worst:.2g}; "
        f"cost {ratio:.3f} of the plain backbone"
    )


def check_pictures(data: Path, rows: tuple[CorpusRow, ...]) -> np.ndarray:
    """Return real and random inputs, N x 224 x 224 x 3 uint8."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), size=COMPARED, replace=False)
    real = [
        scale_to_input(frame, Fit.SQUASH)
        for index in chosen
        for frame in open_frames(data / rows[index].path, most=1)
    ]
    return np.concatenate(
        [np.stack(real), rng.integers(0, 256, size=(COMPARED, *real[0].shape), dtype=np.uint8)]
    )


if __name__ == "__main__":
    main()
