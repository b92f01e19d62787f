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
COSTS = MeasuredCosts(
    decode={CASE: 0.01}, samples={CASE: 0.5}, score=0.004, motion=0.3, motion_share=0.1, fold=0.002
)
"""40 ms decoding, 8 ms scoring, 2 ms folding for a segment of 4 s with two samples."""


def shape(streams: int = 1000, **changes: Any) -> ServiceShape:
    group = StreamGroup(streams=streams, motion_share=0.0)
    return ServiceShape(**{"groups": (group,), "peak": 1.0, "service_ms": 10.0, **changes})


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
        "schema": "streamwarden-bench/1",
        "machine": {"cpu": "drawn"},
        "results": [
            result("decode", CASE, 40.0),
            result("infer", "frame", 4.0, facts={"batch": 1, "motion": False}),
            result("infer", "frame, 8", 32.0, facts={"batch": 8, "motion": False}),
            result("infer", "clip", 12.0, facts={"batch": 1, "motion": True}),
            result("pipeline", "4 streams", 50.0),
            result("pipeline", "a stream that wants bursts", 300.0, runs=busy_runs),
        ],
    }


def test_a_machine_gives_its_cores_to_workers_and_to_the_rest_of_the_service() -> None:
    plan = plan_fleet(shape(2000), COSTS)
    held, service = 0.05 / 4, 0.01 / 4  # cores that each stream keeps busy

    streams = plan.carries["cores"]
    load = held * streams

    assert plan.workers == 13  # of 16 cores
    assert load + 0.25 * sqrt(load) == pytest.approx(13, abs=0.5)
    assert service * streams <= 16 - plan.workers
    assert plan.machines_needed == ceil(2000 / streams)


def test_a_hundred_times_as_many_streams_need_a_hundred_times_the_machines() -> None:
    one, many = plan_fleet(shape(1000), COSTS), plan_fleet(shape(100_000), COSTS)

    assert many.machines_needed == ceil(100_000 / one.streams_per_machine)
    assert many.carries == pytest.approx(one.carries)


def test_a_spare_machine_is_one_of_the_whole_service_and_is_paid_for() -> None:
    machine = MachineShape(cores=16, price_per_hour=2.0)
    none = plan_fleet(shape(20_000, machine=machine, spare_machines=0), COSTS)
    two = plan_fleet(shape(20_000, machine=machine, spare_machines=2), COSTS)

    assert two.machines == none.machines + 2
    assert two.cost_per_hour == pytest.approx(none.cost_per_hour + 4.0)


def test_network_and_media_are_counted_from_the_bit_rate() -> None:
    plan = plan_fleet(shape(keep_minutes=10, price_per_gigabyte_in=0.01), COSTS)

    assert plan.gigabits_in == pytest.approx(6.0)
    assert plan.gigabytes_kept == pytest.approx(450)
    assert plan.cost_per_hour == pytest.approx(6 / 8 * 3600 * 0.01)


@pytest.mark.parametrize(
    ("changes", "part", "streams"),
    [
        ({"machine": MachineShape(gigabits=1.0)}, "network", 0.9 * 1000 / 6),
        ({"web_segments_per_second": 50}, "web process", 0.9 * 50 * 4),
        ({"driver_segments_per_second": 50}, "driver and journal", 0.9 * 50 * 4),
        ({"cell_streams": 100}, "cell_streams", 100),
        ({"machine": MachineShape(gpus=1, gpu_samples_per_second=100)}, "GPU", 0.9 * 100 * 2),
    ],
)
def test_the_scarcest_part_of_a_machine_is_named(
    changes: dict[str, Any], part: str, streams: float
) -> None:
    plan = plan_fleet(shape(**changes), COSTS)

    assert plan.bottleneck == part
    assert plan.streams_per_machine == pytest.approx(streams)


def test_looks_in_motion_are_counted_as_their_budget_allows_unless_the_shape_tells() -> None:
    as_measured = plan_fleet(ServiceShape(groups=(StreamGroup(streams=1000),)), COSTS)
    none = plan_fleet(ServiceShape(groups=(StreamGroup(streams=1000, motion_share=0),)), COSTS)

    assert as_measured.loads[0].held_seconds == pytest.approx(0.05 + 0.1 * 0.3)
    assert none.loads[0].held_seconds == pytest.approx(0.05)


def test_with_gpus_workers_decode_and_wait_and_the_speed_must_be_measured() -> None:
    machine = MachineShape(gpus=1, gpu_samples_per_second=4000.0)
    plan = plan_fleet(shape(machine=machine), COSTS)

    assert plan.loads[0].worker_seconds == pytest.approx(0.042)
    assert plan.loads[0].held_seconds == pytest.approx(0.042 + 0.024)
    assert plan.gpus == plan.machines
    with pytest.raises(SetupError, match="gpu_samples_per_second is missing"):
        plan_fleet(shape(machine=MachineShape(gpus=1)), COSTS)


def test_a_bound_that_one_segment_exceeds_is_refused() -> None:
    with pytest.raises(SetupError, match=r"takes 0\.05 s of a worker, so that 0\.2 s or more"):
        plan_fleet(shape(latency_seconds=0.15), COSTS)


def test_a_machine_that_carries_no_stream_is_refused() -> None:
    with pytest.raises(SetupError, match=r"carries 0\.75 streams, because of its network"):
        plan_fleet(shape(machine=MachineShape(gigabits=0.005)), COSTS)


def test_costs_come_from_a_measurement_of_everything() -> None:
    costs = read_costs(document())

    assert costs.decode == {CASE: 0.01}
    assert costs.samples == {CASE: 0.5}
    assert (costs.score, costs.fold) == (0.004, 0.002)
    assert costs.motion == pytest.approx(0.250 * 10 / 5)
    assert costs.motion_share == 0.5
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
    assert found["streams"] == 130_000
    assert found["bottleneck"] == "cores"


def test_the_command_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(document()))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    run(["plan", "--bench", str(tmp_path / "bench.json"), "--streams", "1000"])

    shown = capsys.readouterr().out
    assert "streams it carries" in shown
    assert "no price was given" in shown


@pytest.mark.parametrize("options", [(), ("--streams", "5", "--shape", "x.toml")])
def test_the_service_is_given_once(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "--bench", "bench.json", *options]) == 2
    assert "--shape FILE, or its --streams" in capsys.readouterr().err


def test_cases_of_a_second_document_are_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = document()
    more["results"] = [{**more["results"][0], "name": "h264:360:2:adaptive"}]
    shape_file = tmp_path / "service.toml"
    shape_file.write_text('[[groups]]\nstreams = 5\ncase = "h264:360:2:adaptive"\n')
    benches = (("bench.json", document()), ("more.json", more))
    options = ["plan", "--shape", str(shape_file)]
    for name, one in benches:
        (tmp_path / name).write_text(json.dumps(one))
        options += ["--bench", str(tmp_path / name)]

    assert run(options) == 0
    assert json.loads(capsys.readouterr().out)["machines"] == 2

    (tmp_path / "more.json").write_text(json.dumps({**more, "machine": {"cpu": "another"}}))
    assert run(options) == 2
    assert "measure all on one machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[groups]]\nstreams = 0\n", "groups.0.streams: Input should be greater than or equal"),
        (
            "[machine]\nprice_per_hour = -1\n[[groups]]\nstreams = 5\n",
            "machine.price_per_hour: Input should be greater than or equal to 0, got -1",
        ),
        ("[machine]\ngpus = 4\n[[groups]]\nstreams = 5\n", "machine.gpus: a service scores on one"),
        ("[machine]\ncores = 1\n[[groups]]\nstreams = 5\n", "machine.cores: a machine needs 2"),
        ("peak = 1.2\n", "groups: Field required"),
        ("groups = []\n", r"groups: a service needs a table \[\[groups\]\]"),
        ("streams = 5\n", r"streams: no such key here; it belongs in \[\[groups\]\]"),
    ],
)
def test_nonsense_is_refused_with_its_key_and_its_value(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "service.toml"
    path.write_text(text)

    with pytest.raises(SetupError, match=message):
        read_shape(path)


def test_another_json_file_is_no_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bench.json").write_text("[1, 2]")

    assert run(["plan", "--bench", str(tmp_path / "bench.json"), "--streams", "5"]) == 2
    assert "not the output of `streamwarden bench all --json`" in capsys.readouterr().err
