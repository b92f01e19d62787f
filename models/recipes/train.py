"""Train ``streamwarden-frame`` on labelled footage: one command, one seed, resumable.

    python models/recipes/train.py --data ../shared/data2 --data ../shared/data3 \\
        --data ../shared/data --backbone ../shared/models/mobilenet_v2_imagenet.pt \\
        --out models/streamwarden-frame --folds-out folds

The first run computes views and their features, which are cached in ``--cache``; an interrupted run
resumes there. The cache is for one order of the folders: rows are known by their number. Fitting,
tuning and export of six networks take a quarter of an hour. The model that it writes delivers
nothing until ``set_levels.py`` has set its levels.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from frame_model.backbone import (
    ActivationNetwork,
    FeatureNetwork,
    FrameModel,
    load_blocks,
    load_classifier,
)
from frame_model.card import write_card, write_table
from frame_model.corpus import CorpusRow, assign_folds, corpus_root, read_corpus
from frame_model.curves import draw_curves
from frame_model.drawn import drawn_rows
from frame_model.export import cost_ratio, open_session, write_graph
from frame_model.features import FEATURES, ViewBatch, ViewExtraction, extract, load
from frame_model.folds import FOLDS, HeldOutViews, Training, cross_validate, train_model
from frame_model.fp16 import compare_graph
from frame_model.pictures import open_frames, scale_to_input
from frame_model.quality import measure
from frame_model.shipping import FILE, HALF, fit_facts, write_folds, write_model
from frame_model.tuning_views import ACTIVATIONS, TuningViews, extract_tuning, load_tuning
from torch import nn

from scanner.types import Fit

VERSION = "0.5.0"
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
    footage, drawn = read_corpus(options.data), drawn_rows(DRAWN)
    folds = assign_folds([row for row in footage if row.trains], FOLDS)
    folds |= assign_folds(drawn, FOLDS)
    blocks, classifier = load_blocks(options.backbone), load_classifier(options.backbone)
    plan = ViewExtraction(
        data=corpus_root(options.data), cache=options.cache, fit=Fit.SQUASH, seed=options.seed
    )
    training = Training(
        batch=read_views(footage, drawn, folds, blocks, plan, views=options.views),
        views=read_tuning_views(footage, folds, blocks, plan),
        rows=(*footage, *drawn),
        folds=folds,
        blocks=blocks,
        classifier=classifier,
    )
    held, models = cross_validate(training)
    if options.folds_out:
        write_folds(options.folds_out, held, models, name=options.out.name, version=VERSION)
    ship(options, footage, held, train_model(training))


def read_views(
    footage: tuple[CorpusRow, ...],
    drawn: tuple[CorpusRow, ...],
    folds: dict[str, int],
    blocks: nn.Sequential,
    plan: ViewExtraction,
    *,
    views: int,
) -> ViewBatch:
    """Return the features of all views, and compute those that are not in the cache."""
    plan.cache.mkdir(parents=True, exist_ok=True)
    graph, apart = plan.cache / "features.onnx", replace(plan, cache=plan.cache / "drawn")
    write_graph(FeatureNetwork(blocks), graph, FEATURES)
    network = open_session(graph)
    extract(footage, folds, network, plan, views=views, behind=footage)
    extract(drawn, folds, network, apart, views=views, behind=footage)
    own = load(footage, plan.cache, plan.fit, views=views)
    others = load(drawn, apart.cache, plan.fit, views=views)
    return own.followed_by(others, rows=len(footage))


def read_tuning_views(
    footage: tuple[CorpusRow, ...],
    folds: dict[str, int],
    blocks: nn.Sequential,
    plan: ViewExtraction,
) -> TuningViews:
    """Return the views that the last blocks are tuned on, and compute those that are not in the
    cache."""
    apart = replace(plan, cache=plan.cache / "tuning")
    apart.cache.mkdir(parents=True, exist_ok=True)
    graph = apart.cache / "activations.onnx"
    write_graph(ActivationNetwork(blocks), graph, ACTIVATIONS)
    extract_tuning(footage, folds, open_session(graph), apart)
    return load_tuning(footage, apart.cache)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder with manifest.csv; may be repeated, for folders side by side",
    )
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
        help="features of all views, about 0.8 GB",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=5,
        help="of each frame: one as filmed, the others as live streams show it, or in other light",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves it to torch")
    return parser.parse_args()


def ship(
    options: argparse.Namespace, rows: tuple[CorpusRow, ...], held: HeldOutViews, model: FrameModel
) -> None:
    """Calibrate, measure, export and write the card."""
    facts = fit_facts(held, name=options.out.name, version=VERSION)
    lines = measure(held, facts.calibrated, facts.offsets)
    facts = replace(
        facts,
        quality={
            f"{line.subject}: {line.what}": f"{line.figure}" for line in lines if line.headline
        },
    )
    worst = write_model(options.out, facts, model)
    pictures = check_pictures(corpus_root(options.data), rows)
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
