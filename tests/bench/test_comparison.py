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
