"""Make ``streamwarden-frame`` from labelled footage: one command, one seed, resumable.

    python models/recipes/train.py --data ../shared/data --backbone
    ../shared/models/mobilenet_v2_imagenet.pt \\
        --out models/streamwarden-frame

The first run spends its time on making views and their activations, which are cached in
``--cache``; after a cut-off it goes on where it was. Fitting, cross-validation and export take
minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from frame_model.backbone import FrameModel, load_blocks, load_classifier
from frame_model.card import write_card, write_table
from frame_model.corpus import Row, assign_folds, read_manifest
from frame_model.curves import draw_curves
from frame_model.drawn import drawn_rows
from frame_model.export import cost_ratio
from frame_model.features import Extraction, extract, load
from frame_model.fitting import fit_heads
from frame_model.folds import FOLDS, HeldOut, cross_validate
from frame_model.pictures import open_frames, shrink
from frame_model.precision import strays
from frame_model.quality import measure
from frame_model.shipping import FILE, HALF, judge, write_folds, write_model

from scanner.types import Fit

VERSION = "0.3.0"
DRAWN = 24
"""Pictures of each drawn scene; learned from, never measured on."""
HALF_LIMIT = 0.3
"""Largest difference of a logit in fp16 with which the model is still shipped."""
COMPARED = 64
"""Real frames on which the exported graph is compared with torch, beside as many random ones."""


def main() -> None:
    """Parse the command line and run every step."""
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    footage, drawn = read_manifest(options.data), drawn_rows(DRAWN)
    folds = assign_folds([row for row in footage if row.task != "benign"], FOLDS) | assign_folds(
        drawn, FOLDS
    )
    blocks, classifier = load_blocks(options.backbone), load_classifier(options.backbone)
    seeing = load_blocks(options.backbone).to("cuda" if torch.cuda.is_available() else "cpu")
    plan = Extraction(data=options.data, cache=options.cache, fit=Fit.SQUASH, seed=options.seed)
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
    told, heads_by_fold = cross_validate(batch, rows, folds, classifier)
    heads = fit_heads(batch.take(told.fold >= 0), rows, classifier)
    held = told.take(told.batch.row < len(footage))
    if options.folds_out:
        write_folds(
            options.folds_out, held, heads_by_fold, blocks, name=options.out.name, version=VERSION
        )
    ship(options, footage, held, FrameModel(blocks, heads))


def parse() -> argparse.Namespace:
    """The command line's options."""
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
    options: argparse.Namespace, rows: tuple[Row, ...], held: HeldOut, model: FrameModel
) -> None:
    """Calibrate, measure, export and write the card."""
    facts = judge(held, name=options.out.name, version=VERSION)
    lines = measure(held, facts.calibrated, facts.advice, facts.offsets)
    facts = replace(
        facts,
        quality={
            f"{line.subject}: {line.what}": f"{line.figure}" for line in lines if line.headline
        },
    )
    worst = write_model(options.out, facts, model)
    pictures = check_pictures(options.data, rows)
    full = strays(model, options.out / FILE, pictures, facts)
    half = strays(model, options.out / HALF, pictures, facts, limit=HALF_LIMIT)
    ratio = cost_ratio(options.out / FILE, options.plain) if options.plain else float("nan")
    write_card(options.out, facts, lines, half)
    write_table(options.cache / "quality.csv", lines)
    draw_curves(options.cache / "curves.png", held, facts.calibrated)
    print(
        f"logits differ from torch's by {full.logit:.2g}; golden scores by {worst:.2g}; cost {ratio:.3f} of the plain backbone"
    )


def check_pictures(data: Path, rows: tuple[Row, ...]) -> np.ndarray:
    """Random and real inputs, N x 224 x 224 x 3 uint8."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), size=COMPARED, replace=False)
    real = [
        shrink(frame, Fit.SQUASH)
        for index in chosen
        for frame in open_frames(data / rows[index].path, most=1)
    ]
    return np.concatenate(
        [np.stack(real), rng.integers(0, 256, size=(COMPARED, *real[0].shape), dtype=np.uint8)]
    )


if __name__ == "__main__":
    main()
