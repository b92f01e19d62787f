"""Tuning of the last blocks of streamwarden-frame by its recipe: views, loss, and what stays."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scanner.types import Fit

REPOSITORY = Path(__file__).resolve().parent.parent
FIGHT, GUN, FIRE, SMOKE = range(4)


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def row(task: str, label: str, *, trains: bool = True, path: str = "p") -> Any:
    from frame_model.corpus import CorpusRow

    return CorpusRow(path=path, task=task, label=label, group=path, trains=trains)


# Views


def test_footage_that_only_measures_is_seen_as_filmed() -> None:
    from frame_model.tuning_views import choose_views

    assert choose_views(5, row("fire", "normal", trains=False)) == (0,)
    assert choose_views(5, row("fire", "fire")) == (0, 1, 2, 3)


def test_plentiful_footage_takes_its_views_in_turn() -> None:
    from frame_model.tuning_views import choose_views

    chosen = [choose_views(index, row("weapon", "1")) for index in range(30)]

    assert all(len(set(views)) == 3 and views[0] == 0 for views in chosen)
    assert Counter(view for views in chosen for view in views[1:]) == {1: 20, 2: 20, 4: 20}


class FlatNetwork:
    """A network that finds nothing, and tells how many pictures it was given."""

    def __init__(self) -> None:
        self.pictures = 0

    def run(self, outputs: Sequence[str], given: dict[str, Any]) -> list[Any]:
        shapes = {"activations": (160, 7, 7), "embedding": (1280,), "texture": (288,)}
        count = len(given["image"])
        self.pictures += count
        return [np.zeros((count, *shapes[name]), np.float32) for name in outputs]


@pytest.mark.train
def test_an_interrupted_extraction_resumes_with_what_is_missing(
    tmp_path: Path, torch: ModuleType
) -> None:
    from frame_model.drawn import drawn_rows
    from frame_model.features import ViewExtraction
    from frame_model.tuning_views import SHARD, extract_tuning, load_tuning

    rows = [replace(drawn, trains=False) for drawn in drawn_rows(3)[: SHARD + 2]]
    plan, network = ViewExtraction(data=tmp_path, cache=tmp_path, fit=Fit.SQUASH), FlatNetwork()

    extract_tuning(rows, {}, network, plan)
    (tmp_path / f"tuning-{SHARD:05d}.npz").unlink()
    extract_tuning(rows, {}, network, plan)

    assert network.pictures == SHARD + 2 + 2
    views = load_tuning(rows, tmp_path)
    assert views.batch.row.tolist() == list(range(SHARD + 2))
    assert views.activations.shape == (SHARD + 2, 160, 7, 7)


@pytest.mark.train
def test_views_of_plentiful_footage_say_nothing_of_smoke(tmp_path: Path, torch: ModuleType) -> None:
    from frame_model.features import write_shard
    from frame_model.tuning_views import load_tuning

    place = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1]], np.int64).T
    shard = {
        "activations": np.zeros((3, 160, 7, 7), np.float16),
        "embedding": np.zeros((3, 1280), np.float16),
        "texture": np.zeros((3, 288), np.float16),
        "values": np.zeros((3, 4), np.float32),
        "medium": np.zeros(3, np.int64),
        "gun_width": np.zeros(3, np.float32),
        **dict(zip(("row", "frame", "view"), place, strict=True)),
    }
    write_shard(tmp_path / "tuning-00000.npz", shard)

    views = load_tuning([row("weapon", "1"), row("fire", "normal")], tmp_path)

    assert np.isnan(views.batch.values[:, SMOKE]).tolist() == [False, True, False]
    assert not np.isnan(views.batch.values[:, :SMOKE]).any()


def test_an_empty_cache_is_refused(tmp_path: Path) -> None:
    from frame_model.tuning_views import load_tuning

    with pytest.raises(FileNotFoundError, match="run extract_tuning first"):
        load_tuning([], tmp_path)


@pytest.mark.train
def test_footage_that_only_measures_trains_nothing_though_its_group_trains(
    torch: ModuleType,
) -> None:
    from frame_model.folds import Training

    (blocks, heads), views, rows = material(4)
    rows[1] = replace(rows[1], trains=False)
    folds = {"p0": 0, "p1": 0, "p2": 1}
    training = Training(
        batch=views.batch,
        views=views,
        rows=rows,
        folds=folds,
        blocks=blocks,
        classifier=heads.clues.classifier,
    )

    assert training.learned(views.batch, None).tolist() == [True, False, True, False]
    assert training.learned(views.batch, 0).tolist() == [False, False, True, False]
    assert training.fold_of(views.batch).tolist() == [0, 0, 1, -1]


# With torch


@pytest.fixture(scope="module")
def torch() -> ModuleType:
    """Training's own library; it is in the extra ``train`` alone."""
    return pytest.importorskip(
        "torch", reason="torch is not installed: pip install streamwarden[train]"
    )


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch, torch: ModuleType) -> None:
    from frame_model import tuning

    monkeypatch.setattr(tuning, "STEPS", 2)
    monkeypatch.setattr(tuning, "VIEWS", 4)


def material(count: int = 24) -> tuple[Any, Any, list[Any]]:
    """Published blocks with random weights, heads, and views of guns, fires, smoke and games."""
    import torch as library
    from frame_model.backbone import TUNED, WIDTH, HeadInputs, Heads, embed, make_blocks
    from frame_model.corpus import training_target
    from frame_model.features import ViewBatch
    from frame_model.tuning_views import TuningViews

    kinds = [("weapon", "1"), ("fire", "fire"), ("fire", "smoke"), ("game_video", "rendered_3d")]
    rows = [row(*kinds[index % 4], path=f"p{index}") for index in range(count)]
    targets = [training_target(one) for one in rows]
    with library.random.fork_rng():
        library.manual_seed(0)
        blocks = make_blocks().requires_grad_(False).eval()
        heads = Heads(HeadInputs(library.nn.Linear(WIDTH, 1001))).requires_grad_(False).eval()
        activations = library.randn(count, 160, 7, 7).half()
    embedding = embed(blocks[TUNED:], activations.float())
    batch = ViewBatch(
        embedding=embedding.numpy(),
        texture=np.zeros((count, 288), np.float32),
        values=np.stack([target.values for target in targets]),
        trust=np.stack([target.trust for target in targets]),
        medium=np.array([target.medium for target in targets]),
        gun_width=np.full(count, np.nan, np.float32),
        row=np.arange(count),
        frame=np.zeros(count, np.int64),
        view=np.zeros(count, np.int64),
    )
    heads.clues.learn(embedding, library.zeros(count, 288))
    return (blocks, heads), TuningViews(batch=batch, activations=activations.numpy()), rows


@pytest.mark.train
def test_blocks_below_and_the_heads_of_guns_and_fires_stay(few_steps: None) -> None:
    from frame_model.backbone import SPLIT, TUNED
    from frame_model.tuning import tune

    (blocks, heads), views, rows = material()

    model = tune(blocks, heads, views, np.arange(len(rows)), rows)

    for layer in ("labels", "above"):
        before, after = getattr(heads, layer), getattr(model.heads, layer)
        moved = (after.weight != before.weight).any(dim=1) | (after.bias != before.bias)
        assert moved.tolist() == [True, False, False, True]
    lower = [*model.lower, *model.upper[: TUNED - SPLIT]]
    assert all(own is given for own, given in zip(lower, blocks[:TUNED], strict=True))
    published = {name: value.clone() for name, value in blocks[TUNED:].state_dict().items()}
    tuned = model.upper[TUNED - SPLIT :].state_dict()
    assert any((tuned[name] != value).any() for name, value in published.items())
    assert not any(weight.requires_grad for weight in model.parameters())


@pytest.mark.train
def test_tuning_gives_the_same_again_and_draws_from_no_shared_generator(
    few_steps: None, torch: ModuleType
) -> None:
    from frame_model.tuning import judge_views, tune

    (blocks, heads), views, rows = material()
    which, state = np.arange(len(rows)), torch.random.get_rng_state()

    first, second = (
        judge_views(tune(blocks, heads, views, which, rows), views, which) for _ in range(2)
    )

    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.medium, second.medium)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.train
def test_views_are_judged_in_the_order_in_which_they_are_asked_for(torch: ModuleType) -> None:
    from frame_model.backbone import FrameModel
    from frame_model.tuning import judge_views

    (blocks, heads), views, rows = material()
    torch.nn.init.normal_(heads.labels.weight)
    model = FrameModel(blocks, heads)

    forward = judge_views(model, views, np.arange(len(rows)))
    backward = judge_views(model, views, np.arange(len(rows))[::-1])

    with torch.inference_mode():
        expected, _ = heads(torch.from_numpy(views.batch.embedding), torch.zeros(len(rows), 288))
    assert np.allclose(forward.labels, expected.numpy(), atol=1e-3)
    assert np.allclose(forward.labels, backward.labels[::-1], atol=1e-3)
    assert judge_views(model, views, np.arange(0)).labels.shape == (0, 4)


@pytest.mark.train
def test_negatives_count_by_their_score_at_the_same_total_weight(torch: ModuleType) -> None:
    from frame_model.tuning import focus

    logits = torch.tensor([[3.0] * 4, [-3.0] * 4, [1.0] * 4])
    values = torch.tensor([[0.0] * 4, [0.0] * 4, [1.0] * 4])

    factor = focus(logits, values, torch.ones(3, 4))

    assert factor[:, FIGHT].tolist() == [1, 1, 1]
    assert factor[0, FIRE] > 5 * factor[1, FIRE]
    assert factor[:2, FIRE].sum() == pytest.approx(2)
    assert factor[2].tolist() == [1, 1, 1, 1]


@pytest.mark.train
def test_no_loss_of_guns_is_learnt(torch: ModuleType) -> None:
    from frame_model.tuning import draw_views

    _, views, rows = material()

    draws, importance = draw_views(views.batch, rows)

    assert not importance[:, GUN].any()
    assert importance[:, FIRE].any()
    assert draws.max() < len(rows)


@pytest.mark.train
def test_what_stays_near_costs_nothing_at_the_start(torch: ModuleType) -> None:
    from frame_model.backbone import TUNED, embed
    from frame_model.tuning import StartingPoint, TuningStep

    (blocks, heads), views, rows = material()
    upper, embedding = blocks[TUNED:], torch.from_numpy(views.batch.embedding)
    step = TuningStep(
        activations=torch.from_numpy(views.activations).float(),
        embedding=embedding,
        texture=torch.from_numpy(views.batch.texture),
        values=torch.from_numpy(views.batch.values),
        medium=torch.from_numpy(views.batch.medium),
        importance=torch.ones(len(rows), 5),
    )
    start = StartingPoint(upper, heads, embedding)

    again = embed(upper, step.activations)
    assert float(start.distance(upper, again, step)) == pytest.approx(0, abs=1e-6)
    assert float(start.difference(heads, again, step)) == pytest.approx(0, abs=1e-6)
    heads.labels.bias[GUN] += 2
    assert float(start.difference(heads, again, step)) == pytest.approx(16 * 1.5)
    heads.labels.bias[FIRE] += 2
    assert float(start.difference(heads, again, step)) == pytest.approx(16 * 1.5)


@pytest.mark.train
def test_views_outside_the_folds_are_flagged_by_the_share_of_folds_that_flag_them(
    torch: ModuleType,
) -> None:
    from frame_model.folds import FOLDS, HeldOutViews
    from frame_model.quality import _above_threshold

    strangers = np.zeros((FOLDS, 3, 4))
    strangers[:2, 2] = 1.0
    held = HeldOutViews(
        batch=material(3)[1].batch,
        rows=[row("benign", "chair"), row("benign", "boat"), row("fire", "normal")],
        fold=np.full(3, -1),
        labels=np.zeros((3, 4)),
        medium=np.zeros((3, 3)),
        strangers=strangers,
    )

    assert _above_threshold(held, "fire").tolist() == pytest.approx([0.0, 0.0, 0.4])
