"""The training of streamwarden-frame: targets, folds, augmentation, and the released model."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.scoring.golden import check_model
from scanner.scoring.manifest import read_manifest as read_model
from scanner.types import Fit, FrameSpec, Medium

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = REPOSITORY / "models" / "streamwarden-frame"


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def row(task: str, label: str, group: str = "g", path: str = "p") -> Any:
    from frame_model.corpus import CorpusRow

    return CorpusRow(path=path, task=task, label=label, group=group)


def gun_picture(left: float, right: float) -> Any:
    from frame_model.corpus import training_target
    from frame_model.pictures import Picture

    rgb = np.tile(np.arange(100, dtype=np.uint8)[None, :, None], (100, 1, 3))
    return Picture(
        rgb=rgb,
        guns=np.array([[left, 0.4, right, 0.6]], np.float32),
        target=training_target(row("weapon", "1")),
    )


def known(target: Any) -> dict[str, float]:
    from frame_model.corpus import LABELS

    return {
        label: value
        for label, value in zip(LABELS, target.values.tolist(), strict=True)
        if not np.isnan(value)
    }


# Training targets


def test_a_fight_leaves_the_label_gun_unknown() -> None:
    from frame_model.corpus import training_target

    target = training_target(row("violence_clip", "1"))

    assert known(target) == {"fight": 1, "fire": 0, "smoke": 0}


def test_a_game_is_a_negative_for_every_label_and_rendered() -> None:
    from frame_model.corpus import LABELS, MEDIA, training_target

    target = training_target(row("game_video", "rendered_3d"))

    assert known(target) == dict.fromkeys(LABELS, 0)
    assert MEDIA[target.medium] == "rendered"


def test_an_assumed_negative_counts_half() -> None:
    from frame_model.corpus import LABELS, PRESUMED, training_target

    target = training_target(row("weapon", "1"))

    assert target.trust[LABELS.index("gun")] == 1
    assert target.trust[LABELS.index("fire")] == PRESUMED


def test_an_unknown_task_is_refused_by_name() -> None:
    from frame_model.corpus import training_target

    with pytest.raises(ValueError, match="task 'knives' with label '1'"):
        training_target(row("knives", "1"))


# Folds


def test_the_levels_of_one_game_are_one_group(tmp_path: Path) -> None:
    from frame_model.corpus import read_manifest

    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "task", "label", "group", "source", "licence"])
        writer.writerow(["a.mp4", "game_video", "rendered_3d", "vizdoom-map01", "", ""])
        writer.writerow(["b.mp4", "game_video", "screen", "vizdoom-map02", "", ""])

    rows = read_manifest(tmp_path)

    assert {found.group for found in rows} == {"vizdoom"}


def test_footage_that_may_only_measure_trains_nothing(tmp_path: Path) -> None:
    from frame_model.corpus import read_manifest

    (tmp_path / "manifest.csv").write_text(
        "path,task,label,group,source,use\n"
        "a.mp4,benign_video,0,a,one/clips@1 | medium=camera; street,train\n"
        "b.mp4,benign_video,0,b,one/clips@1 | medium=rendered; game,measure\n"
        "c.jpg,benign,n1_tench,c,pictures,\n"
    )

    rows = read_manifest(tmp_path)

    assert [row.trains for row in rows] == [True, False, False]
    assert [row.medium for row in rows] == ["camera", "rendered", "camera"]
    assert {row.group for row in rows[:2]} == {"one/clips"}


def test_folders_of_footage_are_read_side_by_side(tmp_path: Path) -> None:
    from frame_model.corpus import corpus_root, read_corpus

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.csv").write_text("path,task,label,group\na.jpg,fire,fire,g\n")
    folders = [tmp_path / name for name in ("one", "two")]

    rows = read_corpus(folders)

    assert [(found.path, found.group) for found in rows] == [
        ("one/a.jpg", "one/g"),
        ("two/a.jpg", "two/g"),
    ]
    assert all((corpus_root(folders) / found.path).parent.is_dir() for found in rows)


def test_folds_are_even_within_each_kind_of_footage_and_do_not_depend_on_the_order_of_rows() -> (
    None
):
    from frame_model.corpus import assign_folds

    rows = [row("weapon", "1", f"gun{index}") for index in range(50)] + [
        row("fire", "fire", f"scene{index}") for index in range(5)
    ]

    folds = assign_folds(rows, 5)

    assert folds == assign_folds(rows[::-1], 5)
    assert sorted(folds[f"scene{index}"] for index in range(5)) == [0, 1, 2, 3, 4]
    assert [sum(folds[f"gun{index}"] == fold for index in range(50)) for fold in range(5)] == [
        10
    ] * 5


# What augmentation does to labels


def test_a_mirrored_gun_is_on_the_other_side() -> None:
    from frame_model.views import mirror

    seen = mirror(gun_picture(0.1, 0.3), np.random.default_rng(0), [])

    assert seen.guns[0].tolist() == pytest.approx([0.7, 0.4, 0.9, 0.6])
    assert seen.rgb[0, 0, 0] == 99


def test_a_gun_too_small_to_be_visible_is_unknown() -> None:
    from frame_model.views import LEAST_GUN, hide_small_gun

    small, large = (
        hide_small_gun(gun_picture(0.5, 0.5 + width / 224))
        for width in (LEAST_GUN - 1, LEAST_GUN + 1)
    )

    assert "gun" not in known(small.target)
    assert known(large.target)["gun"] == 1


def test_a_gun_that_was_cropped_away_is_unknown() -> None:
    from frame_model.views import crop

    crops = [crop(gun_picture(0.0, 0.1), np.random.default_rng(seed), []) for seed in range(40)]

    assert {len(seen.guns) for seen in crops} == {0, 1}
    assert all(("gun" in known(seen.target)) == bool(len(seen.guns)) for seen in crops)


def test_a_game_in_a_page_is_a_screen_and_still_no_fight() -> None:
    from frame_model.corpus import MEDIA, training_target
    from frame_model.pictures import Picture
    from frame_model.views import page

    game = Picture(
        rgb=np.zeros((90, 160, 3), np.uint8),
        guns=np.zeros((0, 4), np.float32),
        target=training_target(row("game_video", "rendered_2d")),
    )

    seen = page(game, np.random.default_rng(0), [])

    assert MEDIA[seen.target.medium] == "screen"
    assert known(seen.target)["fight"] == 0


def test_every_view_of_a_picture_can_be_made_again_from_its_seed() -> None:
    from frame_model.views import make_view

    backdrops = [np.full((90, 160, 3), 200, np.uint8)]

    views = [
        make_view(gun_picture(0.2, 0.8), np.random.default_rng(seed), backdrops)
        for seed in (*range(12), *range(12))
    ]

    assert all(
        np.array_equal(one.rgb, other.rgb)
        for one, other in zip(views[:12], views[12:], strict=True)
    )
    assert all(view.rgb.dtype == np.uint8 and view.rgb.shape[2] == 3 for view in views)


def test_training_and_scan_have_the_same_pixels(
    sample_media: Callable[[str], SampleFile],
) -> None:
    from frame_model.pictures import open_frames, scale_to_input

    sample: SampleFile = sample_media("mp4_h264")
    spec = FrameSpec(width=224, height=224, fit=Fit.SQUASH)

    taught = scale_to_input(next(open_frames(sample.path, most=1)), Fit.SQUASH)

    served = (
        next(
            decode_windows(
                BytesIO(sample.path.read_bytes()), DecodeRequest(specs=(spec,)), name="sample"
            )
        )
        .samples[0]
        .images[spec]
    )
    assert np.array_equal(taught, served)


# Figures


def test_recall_is_measured_at_the_threshold_that_the_stated_share_exceeds() -> None:
    from frame_model.measures import recall_at

    assert recall_at(np.array([97.5, 98.5, 50.0, 99.5]), np.arange(100.0), 0.02) == 0.75


def test_a_bootstrap_over_one_group_has_no_width() -> None:
    from frame_model.measures import bootstrap

    figure = bootstrap(lambda which: float(np.arange(10.0)[which].mean()), ["only"] * 10)

    assert figure.low == figure.value == figure.high == 4.5


# With torch


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    """Training's own library; it is in the extra ``train`` alone."""
    return pytest.importorskip(
        "torch", reason="torch is not installed: pip install streamwarden[train]"
    )


@pytest.mark.train
def test_groups_and_kinds_of_footage_count_by_the_root_of_their_size(
    torch: ModuleType,
) -> None:
    from frame_model.fitting import sampling_weights

    rows = [row("fire", "fire", "large"), row("fire", "fire", "small")]

    chance = sampling_weights(batch_of([0] * 9 + [1]), rows)

    assert chance.sum() == pytest.approx(1)
    assert chance[:9].sum() / chance[9] == pytest.approx(3)


@pytest.mark.train
def test_the_heads_learn_a_label_from_one_value_of_the_embedding(
    torch: ModuleType,
) -> None:
    from frame_model.backbone import WIDTH
    from frame_model.fitting import fit_heads, predict

    rows = [row("weapon", str(index % 2), f"g{index}") for index in range(40)]
    batch = batch_of(range(40))
    batch.values[:, 1] = np.arange(40) % 2
    batch.embedding[:, 7] = batch.values[:, 1]

    heads = fit_heads(batch, rows, torch.nn.Linear(WIDTH, 1001))

    assert ((predict(heads, batch).labels[:, 1] > 0) == (batch.values[:, 1] == 1)).all()


@pytest.mark.train
def test_a_hidden_layer_learns_what_no_linear_head_can(torch: ModuleType) -> None:
    from frame_model.hidden import fit_hidden

    clues = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).repeat(400, 1)
    truth = (clues[:, 0] * clues[:, 1] > 0).float()

    head = fit_hidden(clues, truth, torch.ones(len(truth)))

    assert ((head(clues) > 0) == (truth == 1)).float().mean() > 0.9


@pytest.mark.train
def test_the_blocks_in_fp16_give_nearly_the_same_and_end_in_fp32(torch: ModuleType) -> None:
    from frame_model.backbone import WIDTH, FrameModel, HeadInputs, Heads, make_blocks
    from frame_model.fp16 import Fp16Model

    torch.manual_seed(0)
    model = FrameModel(make_blocks(), Heads(HeadInputs(torch.nn.Linear(WIDTH, 1001)))).eval()
    pictures = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)

    with torch.inference_mode():
        full, half = model(pictures), Fp16Model(model)(pictures)

    assert all(values.dtype == torch.float32 for values in half)
    assert float((full[2] - half[2]).abs().max()) < 0.01


@pytest.mark.train
def test_an_appended_batch_has_rows_of_its_own(torch: ModuleType) -> None:
    both = batch_of([0, 1, 1]).followed_by(batch_of([0, 2]), rows=2)

    assert both.row.tolist() == [0, 1, 1, 2, 4]
    assert len(both.embedding) == 5


def batch_of(rows: Iterable[int]) -> Any:
    from frame_model.features import ViewBatch

    indices, rng = np.array(list(rows), np.int64), np.random.default_rng(0)
    count = len(indices)
    return ViewBatch(
        embedding=rng.random((count, 1280), dtype=np.float32),
        texture=rng.random((count, 288), dtype=np.float32),
        values=np.full((count, 4), np.nan, np.float32),
        trust=np.ones((count, 4), np.float32),
        medium=np.zeros(count, np.int64),
        gun_width=np.full(count, np.nan, np.float32),
        row=indices,
        frame=np.zeros(count, np.int64),
        view=np.zeros(count, np.int64),
    )


# What was shipped


def test_the_released_model_conforms_to_its_manifest_and_golden_scores() -> None:
    assert check_model(SHIPPED) <= 0.02  # of the fp16 file; check_model is stricter with the other


def test_real_world_labels_count_on_camera_only() -> None:
    manifest = read_model(SHIPPED)

    assert set(manifest.labels) == {"fight", "gun", "fire", "smoke"}
    assert all(
        Medium.CAMERA in facts.policy.when and Medium.RENDERED not in facts.policy.when
        for facts in manifest.labels.values()
    )


def test_every_figure_of_the_manifest_is_in_the_card() -> None:
    card = (SHIPPED / "README.md").read_text("utf-8")

    assert all(value in card for value in read_model(SHIPPED).quality.values())
