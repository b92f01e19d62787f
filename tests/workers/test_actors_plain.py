"""The actors, called directly as plain classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain, count
from threading import Barrier

import numpy as np
import psutil
import pytest

from scanner.compose import open_score_job
from scanner.media.samples import Sample
from scanner.scoring.scorer import Scorer, burst_gate, is_burst_scorer, shadow_labels
from scanner.settings.sections import Settings
from scanner.stream.events import SegmentScored
from scanner.stream.state import StreamProgress
from scanner.testing.scorers import FakeScorer, sample
from scanner.types import FrameSpec, Gate, Label, Scores
from tests.workers.pool_fakes import (
    HERE,
    REQUEST,
    SPEC,
    MeanScorer,
    ScriptSandbox,
    by_stream,
    end,
    mean_scorers,
    new_work,
    raise_killed,
    scripted,
    stream_worker,
)
from workers.batching import Batching
from workers.decode import DecodeActor
from workers.dispatch import StreamWork
from workers.inference import InferenceActor, RemoteScorer, remote_scorers


def samples(name: str = "s", window: int = 0) -> tuple[Sample, ...]:
    (decoded, *_) = ScriptSandbox(raise_killed).decode(
        scripted(name).job.segment.source, REQUEST, name=f"{name}{window}"
    )
    return decoded.samples


def sequences(reports: Iterable[Sequence[StreamProgress]]) -> list[list[int]]:
    """Return the sequences of the scored segments in each report."""
    return [
        [
            event.segment.key.sequence
            for progress in report
            for event in progress.events
            if isinstance(event, SegmentScored)
        ]
        for report in reports
    ]


def slow_actor() -> DecodeActor:
    """Return an actor whose clock advances by a second at each reading."""
    ticks = count()
    return DecodeActor(HERE, clock=lambda: float(next(ticks)))


def test_a_decode_actor_reports_all_parts_of_all_turns_in_order() -> None:
    work = [new_work(scripted("s", 0, windows=2), scripted("s", 4)), new_work(scripted("t", 5))]

    reports = list(DecodeActor(HERE, clock=lambda: 0.0).work(work))

    assert sequences(reports) == [[0, 1, 4, 5]]


def test_a_decode_actor_continues_from_the_part_that_the_state_names() -> None:
    reports = list(slow_actor().work([new_work(scripted(windows=4), part=2)]))

    assert [one for report in sequences(reports) for one in report] == [2, 3]


def test_quick_parts_are_reported_together_and_slow_ones_at_once() -> None:
    work = [new_work(scripted(windows=3)), new_work(scripted("t"), end("t"))]

    quick = list(DecodeActor(HERE, clock=lambda: 0.0).work(work))
    slow = list(slow_actor().work(work))

    assert sequences(quick) == [[0, 1, 2, 0]]
    assert sequences(slow) == [[0], [1], [2], [0], []]
    assert by_stream(chain(*slow)) == by_stream(chain(*quick))


def test_the_parts_of_one_stream_are_merged_and_only_their_last_state_travels() -> None:
    work = [new_work(scripted(windows=3), scripted("s", 3)), new_work(scripted("t"))]

    (report,) = DecodeActor(HERE, clock=lambda: 0.0).work(work)

    assert [(one.stream_id, one.state.turn, one.state.part) for one in report] == [
        ("s", 2, 0),
        ("t", 1, 0),
    ]
    assert by_stream(report) == by_stream(each_part(work))


def each_part(work: Sequence[StreamWork]) -> Iterator[StreamProgress]:
    worker = stream_worker()
    for share in work:
        state = share.state
        for turn in share.turns:
            for progress in worker.run_turn(state, turn):
                state = progress.state
                yield progress


def test_each_part_of_a_suspect_turn_is_reported_before_the_next_is_worked_on() -> None:
    work = replace(new_work(scripted(windows=3, damaged_at=2)), suspect=True)

    reports = DecodeActor(HERE, clock=lambda: 0.0).work([work])

    assert sequences(reports) == [[0], [1], []]


def test_the_last_part_of_a_turn_never_travels_before_the_turn_is_closed() -> None:
    *earlier, last = slow_actor().work([new_work(scripted(windows=3))])

    assert [(one.state.turn, one.state.part) for report in earlier for one in report] == [
        (0, 1),
        (0, 2),
    ]
    assert sequences([last]) == [[2]]
    assert [(one.state.turn, one.state.part) for one in last] == [(1, 0)]


def test_samples_of_several_callers_are_scored_in_one_batch_and_each_gets_its_own() -> None:
    scorer, callers = MeanScorer(), 4
    actor = InferenceActor([scorer], Batching(size=2 * callers, wait=30))
    barrier = Barrier(callers)

    def call(number: int) -> list[Scores]:
        barrier.wait()
        return actor.score(0, samples("s", number))

    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(call, range(callers)))
    actor.close()

    assert scorer.batches == [2 * callers]
    assert answers == [MeanScorer().score(samples("s", number)) for number in range(callers)]


def test_a_batch_that_stays_small_is_scored_at_its_deadline() -> None:
    actor = InferenceActor(mean_scorers(), Batching(size=1000, wait=0.001))

    answer = actor.score(0, samples())
    actor.close()

    assert answer == MeanScorer().score(samples())


class BrokenScorer(MeanScorer):
    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        raise ArithmeticError("out of memory on the device")


def test_an_exception_of_a_scorer_is_raised_in_the_caller_and_the_actor_continues() -> None:
    actor = InferenceActor([BrokenScorer(), MeanScorer()], Batching(wait=0))

    for _ in range(2):
        with pytest.raises(ArithmeticError, match="out of memory on the device"):
            actor.score(0, samples())
    answer = actor.score(1, samples())
    actor.close()

    assert answer == MeanScorer().score(samples())


def test_a_remote_scorer_is_the_same_scorer() -> None:
    local = MeanScorer()
    actor = InferenceActor([local], Batching(wait=0))
    (remote,) = remote_scorers(actor.facts(), actor.score)

    scored = remote.score(samples())
    actor.close()

    assert scored == local.score(samples())
    assert (remote.model, remote.inputs, remote.labels, remote.media) == (
        local.model,
        local.inputs,
        local.labels,
        local.media,
    )


def test_only_the_arrays_that_a_model_takes_travel_and_an_empty_batch_makes_no_call() -> None:
    calls: list[Sequence[Sample]] = []

    def score_remotely(index: int, batch: Sequence[Sample]) -> list[Scores]:
        calls.append(batch)
        return MeanScorer().score(batch)

    (facts,) = InferenceActor(mean_scorers(), Batching()).facts()
    other = FrameSpec(width=16, height=16)
    two = [
        Sample(at=s.at, pts=s.pts, keyframe=s.keyframe, images={**s.images, other: s.images[SPEC]})
        for s in samples()
    ]
    remote = RemoteScorer(0, facts, score_remotely)

    remote.score(two)
    nothing = remote.score([])

    assert nothing == []
    assert [[set(sample.images) for sample in call] for call in calls] == [[{SPEC}, {SPEC}]]


def bursts(count: int) -> list[Sample]:
    random = np.random.default_rng(count)
    return [
        sample(at + 2, random.integers(0, 256, (4, 8, 8, 3), np.uint8), rate=5)
        for at in range(count)
    ]


def test_bursts_have_a_queue_of_their_own_and_batches_of_as_many_images() -> None:
    spec = bursts(1)[0].images.keys()
    local = FakeScorer(
        "fight",
        spec=next(iter(spec)),
        gate=Gate(label=Label("fight"), above=0.5),
        shadow=("fight",),
    )
    sizes: list[int] = []
    score = local.score

    def score_and_count(batch: Sequence[Sample]) -> list[Scores]:
        sizes.append(len(batch))
        return score(batch)

    local.score = score_and_count  # type: ignore[method-assign]
    actor = InferenceActor([MeanScorer(), local], Batching(size=8, wait=0.01))
    _, remote = remote_scorers(actor.facts(), actor.score)

    scored = remote.score(bursts(6))
    actor.close()

    assert scored == score(bursts(6))
    assert max(sizes) == 2
    assert (burst_gate(remote), shadow_labels(remote)) == (local.gate, local.shadow)
    assert is_burst_scorer(remote)


def test_scores_of_an_inference_actor_equal_those_of_a_local_scorer() -> None:
    inference = InferenceActor(mean_scorers(), Batching(size=3, wait=0.001))
    scorers: Sequence[Scorer] = remote_scorers(inference.facts(), inference.score)
    work = [new_work(scripted(windows=3), end())]

    near = list(DecodeActor(HERE, clock=lambda: 0.0).work(work))
    far = list(DecodeActor(HERE, lambda: scorers, clock=lambda: 0.0).work(work))
    inference.close()

    assert far == near


def test_what_children_are_forked_from_starts_before_the_models_are_loaded() -> None:
    seen: list[int] = []

    def load() -> list[Scorer]:
        seen.append(len(psutil.Process().children()))
        return [FakeScorer("fire", spec=FrameSpec(width=8, height=8))]

    before = len(psutil.Process().children())
    parts = replace(HERE, open_score_job=partial(open_score_job, Settings(), HERE.policies))
    DecodeActor(parts, load).close()

    assert seen == [before + 1]
