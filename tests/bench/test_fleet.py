"""A plan is arithmetic that can be done by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import pytest

from scanner.bench.fleet import MeasuredCosts, plan_fleet, read_costs
from scanner.bench.shape import MachineShape, ServiceShape, StreamGroup, read_shape
from scanner.cli.app import run
from scanner.errors import SetupError

CASE = "h264:1080:2:adaptive"
COSTS = MeasuredCosts(decode={CASE: 0.01}, samples={CASE: 0.5}, score=0.004, motion=0.5, fold=0.002)
"""40 ms decoding, 8 ms scoring, 2 ms folding for a segment of 4 s with two samples."""


def shape(streams: int = 1000, **changes: Any) -> ServiceShape:
    group = StreamGroup(streams=streams, motion_share=0.0)
    return ServiceShape(**{"groups": (group,), "peak": 1.0, "service_ms": 5.0, **changes})


def document() -> dict[str, Any]:
    def result(bench: str, name: str, ms: float, **more: Any) -> dict[str, Any]:
        return {
            "bench": bench,
            "name": name,
            "cpu_ms": {"median": ms},
            "facts": {},
            "streams_per_core": {"median": 100.0},
            "stage_ms": {"fold": {"median": 2.0}},
            "runs": [{"units": 10, "samples": 20, "media_seconds": 40.0, "bursts": 0}],
            **more,
        }

    busy_runs = [{"units": 10, "samples": 20, "media_seconds": 40.0, "bursts": 5}]
    return {
        "results": [
            result("decode", CASE, 40.0),
            result("infer", "frame", 4.0, facts={"batch": 1, "motion": False}),
            result("infer", "frame, 8", 32.0, facts={"batch": 8, "motion": False}),
            result("infer", "clip", 12.0, facts={"batch": 1, "motion": True}),
            result("pipeline", "4 streams", 50.0),
            result("pipeline", "a stream that wants bursts", 300.0, runs=busy_runs),
        ]
    }


def test_workers_are_the_load_and_a_quarter_of_its_root() -> None:
    plan = plan_fleet(shape(), COSTS)

    assert plan.loads[0].segments_per_second == 250
    assert plan.loads[0].worker_seconds == pytest.approx(0.05)
    assert plan.workers == ceil(12.5 + 0.25 * sqrt(12.5))


def test_cells_share_nothing_so_that_a_hundred_need_a_hundred_times_as_much() -> None:
    one, many = plan_fleet(shape(), COSTS), plan_fleet(shape(100_000), COSTS)

    assert many.cells == 100
    assert (many.workers, many.machines) == (100 * one.workers, 100 * one.machines)
    assert many.use == pytest.approx(one.use)


def test_a_spare_machine_is_added_to_each_cell_and_paid_for() -> None:
    machine = MachineShape(cores=16, price_per_hour=2.0)
    none = plan_fleet(shape(2000, machine=machine, spare_machines=0), COSTS)
    one = plan_fleet(shape(2000, machine=machine, spare_machines=1), COSTS)

    assert one.machines == none.machines + 2
    assert one.cost_per_hour == pytest.approx(none.cost_per_hour + 4.0)


def test_network_and_media_are_counted_from_the_bit_rate() -> None:
    plan = plan_fleet(shape(keep_minutes=10, price_per_gigabyte_in=0.01), COSTS)

    assert plan.gigabits_in == pytest.approx(6.0)
    assert plan.gigabytes_kept == pytest.approx(450)
    assert plan.cost_per_hour == pytest.approx(6 / 8 * 3600 * 0.01)


def test_a_thin_network_is_the_bottleneck_and_takes_more_machines() -> None:
    wide = plan_fleet(shape(), COSTS)
    thin = plan_fleet(shape(machine=MachineShape(gigabits=1.0)), COSTS)

    assert wide.bottleneck == "journal"  # five rows a segment
    assert thin.bottleneck == "network of a machine"
    assert thin.machines == 12 + 1


def test_gpus_score_and_need_their_measured_speed() -> None:
    machine = MachineShape(gpus=1, gpu_samples_per_second=4000.0)
    plan = plan_fleet(shape(machine=machine), COSTS)

    assert plan.loads[0].worker_seconds == pytest.approx(0.042)
    assert plan.gpus == plan.machines
    with pytest.raises(SetupError, match="gpu_samples_per_second is missing"):
        plan_fleet(shape(machine=MachineShape(gpus=1)), COSTS)


def test_costs_come_from_a_measurement_of_everything() -> None:
    costs = read_costs(document())

    assert costs.decode == {CASE: 0.01}
    assert costs.samples == {CASE: 0.5}
    assert (costs.score, costs.fold) == (0.004, 0.002)
    assert costs.motion == pytest.approx(0.250 * 10 / 5)
    with pytest.raises(SetupError, match="bench all"):
        read_costs({"results": document()["results"][:1]})


def test_a_case_that_was_not_measured_is_refused() -> None:
    group = StreamGroup(streams=1, case="av1:720:2:adaptive")

    with pytest.raises(SetupError, match="was not measured"):
        plan_fleet(shape(groups=(group,)), COSTS)


def test_a_misspelt_key_of_the_shape_is_named(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text("peek = 1.5\n[[groups]]\nstreams = 5\n")

    with pytest.raises(SetupError, match="peek: no such key; did you mean peak"):
        read_shape(path)


def test_the_command_prints_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(document()))

    status = run(["plan", "--bench", str(tmp_path / "bench.json"), "--streams", "100000"])

    found: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert status == 0
    assert (found["streams"], found["cells"]) == (130_000, 130)
    assert found["bottleneck"] == "decoding and scoring cores"


def test_the_command_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(document()))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    run(["plan", "--bench", str(tmp_path / "bench.json"), "--streams", "1000"])

    assert "(scarcest)" in capsys.readouterr().out


@pytest.mark.parametrize("options", [(), ("--streams", "5", "--shape", "x.toml")])
def test_the_service_is_given_once(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "--bench", "bench.json", *options]) == 2
    assert "--shape FILE, or its --streams" in capsys.readouterr().err
