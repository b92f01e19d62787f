"""Comparisons find a planted slowdown, name its stage, and do not cry wolf.

Runs are simulated: each repeat has a speed of the machine, which its reference work sees too, and
some noise of its own.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from scanner.bench.comparison import Change, compare_documents, compare_rounds
from scanner.errors import SetupError

STAGES = {"decode": 38.0, "score": 9.0, "fold": 3.0}
"""Milliseconds of a segment."""


def document(
    seed: int,
    *,
    slower: dict[str, float] | None = None,
    repeats: int = 5,
    noise: float = 0.02,
    drift: float = 0.25,
) -> dict[str, Any]:
    """Return a document of which single stages may be slower."""
    generator = random.Random(seed)
    layout = generator.gauss(1.0, 0.01)
    """What differs between two processes though nothing was changed."""
    runs = []
    for _ in range(repeats):
        machine = 1.0 + generator.random() * drift
        stages = {
            name: 0.001 * ms * (slower or {}).get(name, 1.0) * machine * layout * jitter
            for name, ms in STAGES.items()
            if (jitter := generator.gauss(1.0, noise))
        }
        runs.append(
            {
                "units": 1,
                "cpu_seconds": sum(stages.values()),
                "stages": stages,
                "reference_seconds": 0.005 * machine * generator.gauss(1.0, 0.01),
            }
        )
    return {
        "bench": "pipeline",
        "input": {"name": "clip.ts"},
        "settings": {"window": "10"},
        "machine": {"cpu": "a cpu", "cores": 2, "memory_bytes": 1},
        "results": [{"bench": "pipeline", "name": "4 streams", "runs": runs}],
    }


def pairs(seed: int, slower: dict[str, float] | None = None) -> list[tuple[Any, Any]]:
    return [
        (
            document(1000 * seed + number, repeats=3),
            document(1000 * seed + number + 500, repeats=3, slower=slower),
        )
        for number in range(15)
    ]


def only(changes: tuple[Change, ...]) -> Change:
    (change,) = changes
    return change


@pytest.mark.parametrize("seed", range(10))
def test_two_files_show_a_slowdown_of_15_percent_and_its_stage(seed: int) -> None:
    planted = {"decode": 1.0 + 0.15 * sum(STAGES.values()) / STAGES["decode"]}

    change = only(compare_documents(document(seed), document(seed + 100, slower=planted)))

    assert (change.verdict, change.stage) == ("slower", "decode")
    assert 0.75 < change.speed < 0.95


@pytest.mark.parametrize("seed", range(10))
def test_rounds_in_turn_show_a_slowdown_of_5_percent_and_its_stage(seed: int) -> None:
    planted = {"score": 1.0 + 0.05 * sum(STAGES.values()) / STAGES["score"]}

    change = only(compare_rounds(pairs(seed, planted)))

    assert (change.verdict, change.stage) == ("slower", "score")
    assert 0.92 < change.speed < 0.98


def test_two_files_of_the_same_program_are_never_called_slower_or_faster() -> None:
    changes = [only(compare_documents(document(seed), document(seed + 100))) for seed in range(40)]

    assert {change.verdict for change in changes} == {"same"}


@pytest.mark.parametrize(
    ("others", "margin"), [(0.0, 0.07), (0.5, 0.07), (0.75, 0.095), (1.0, 0.12)]
)
def test_the_margin_of_two_files_grows_with_what_others_used_of_the_machine(
    others: float, margin: float
) -> None:
    busy = {**document(101), "load": {"others": others}}

    for old, new in ((document(1), busy), (busy, document(1))):
        assert only(compare_documents(old, new)).margin == pytest.approx(margin)


@pytest.mark.parametrize(("others", "verdict"), [(0.4, "slower"), (1.0, "same")])
def test_a_tenth_more_is_claimed_on_a_machine_that_is_not_full(others: float, verdict: str) -> None:
    planted = dict.fromkeys(STAGES, 1.1)
    before = document(1, noise=0.002, drift=0.0)
    later = document(1, slower=planted, noise=0.002, drift=0.0)
    both = [{**one, "load": {"others": others}} for one in (before, later)]

    assert only(compare_documents(*both)).verdict == verdict


def test_rounds_of_the_same_program_are_never_called_slower_or_faster() -> None:
    assert {only(compare_rounds(pairs(seed))).verdict for seed in range(20)} == {"same"}


def test_fewer_than_eight_rounds_claim_nothing() -> None:
    planted = {"decode": 3.0}

    assert only(compare_rounds(pairs(1, planted)[:7])).verdict == "same"
    assert only(compare_rounds(pairs(1, planted)[:8])).verdict == "slower"


def test_a_program_that_became_faster_is_said_to_be() -> None:
    change = only(compare_documents(document(1), document(2, slower={"decode": 0.6})))

    assert change.verdict == "faster"


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("machine", {"cpu": "another", "cores": 2, "memory_bytes": 1}, "another machine: cpu"),
        ("input", {"name": "other.ts"}, "other work: input"),
        ("settings", {"window": "5"}, r"other work: settings\.window was 10, is 5"),
        ("bench", "decode", "other work: bench"),
    ],
)
def test_another_machine_or_other_work_is_refused(part: str, value: Any, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        compare_documents(document(1), {**document(2), part: value})


def test_a_result_that_was_not_measured_before_is_refused() -> None:
    later = document(2)
    later["results"][0]["name"] = "8 streams"

    with pytest.raises(SetupError, match="no earlier result pipeline, 8 streams"):
        compare_documents(document(1), later)
