"""The command ``streamwarden plan``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.bench.fleet import FleetPlan, plan_fleet, read_costs
from scanner.bench.shape import ServiceShape, StreamGroup, read_shape
from scanner.cli.messages import print_message
from scanner.cli.options import Json, wants_json
from scanner.cli.terminal import new_table, open_console
from scanner.errors import SetupError

__all__ = ["plan_command"]


def plan_command(
    context: typer.Context,
    bench: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Output of `streamwarden bench all --json`."),
    ],
    shape: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The service in TOML: streams, machines, prices."),
    ] = None,
    streams: Annotated[
        int | None, typer.Option(min=1, help="Instead: this many streams of 1080p.")
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Also simulate a cell, and the loss of a machine."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Plan a service from measured costs: machines, GPUs, network, storage, cost, and what is
    scarce.

    Examples:
      streamwarden bench all --json > bench.json
      streamwarden plan --bench bench.json --streams 10000
      streamwarden plan --bench bench.json --shape service.toml --simulate
    """
    wanted = _shape(shape, streams)
    plan = plan_fleet(wanted, read_costs(_read(bench)))
    simulated = None
    if simulate:
        if context.obj.simulator is None:
            raise SetupError("--simulate needs the package workers; start it as `streamwarden`")
        print_message("simulating a cell with the real dispatch", style="dim")
        simulated = context.obj.simulator(wanted, plan)
    if wants_json(as_json):
        sys.stdout.write(json.dumps(_to_document(plan, simulated)) + "\n")
        return
    _print_plan(wanted, plan)
    if simulated is not None:
        _print_simulation(simulated)


def _shape(path: Path | None, streams: int | None) -> ServiceShape:
    if (path is None) == (streams is None):
        raise SetupError("give the service with --shape FILE, or its --streams")
    if path is not None:
        return read_shape(path)
    return ServiceShape(groups=(StreamGroup(streams=streams or 1),))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path}: not JSON, the output of `bench all --json` is wanted") from error


def _to_document(plan: FleetPlan, simulated: Any) -> dict[str, Any]:
    loads = [{**asdict(load), "group": load.group.model_dump(mode="json")} for load in plan.loads]
    return {
        "schema": "streamwarden-plan/1",
        **asdict(plan),
        "loads": loads,
        "machines": plan.machines,
        "workers": plan.workers,
        "bottleneck": plan.bottleneck,
        "simulation": simulated,
    }


def _print_plan(shape: ServiceShape, plan: FleetPlan) -> None:
    console = open_console()
    table = new_table(f"For {plan.streams:,} streams at the busiest time", "", "needed", "of it")
    spare = f"{shape.spare_machines} of each cell may be lost"
    for row in (
        ("cells", f"{plan.cells:,}", f"at most {shape.cell_streams:,} streams each"),
        ("machines", f"{plan.machines:,}", f"{plan.machines_per_cell} in a cell; {spare}"),
        ("workers", f"{plan.workers:,}", f"{plan.workers_per_cell} in a cell, a core each"),
        ("GPUs", f"{plan.gpus:,}", ""),
        ("network in", f"{plan.gigabits_in:,.1f} Gb/s", "and the same to the workers"),
        ("media kept", f"{plan.gigabytes_kept:,.0f} GB", f"{shape.keep_minutes:g} minutes"),
        (
            "cost",
            f"{plan.cost_per_hour:,.2f} an hour",
            f"{plan.cost_per_1000_stream_hours:,.2f} for 1000 stream-hours",
        ),
    ):
        table.add_row(*row)
    console.print(table)
    for name, share in sorted(plan.use.items(), key=lambda item: -item[1]):
        scarce = " (scarcest)" if name == plan.bottleneck else ""
        console.print(f"{name}: {share:.0%} used{scarce}")
    for load in plan.loads:
        cost = 1000 * load.worker_seconds
        console.print(
            f"{load.group.streams:,} x {load.group.case}: {cost:.1f} ms of a worker a segment",
            style="dim",
        )


def _print_simulation(simulated: Any) -> None:
    table = new_table(
        f"A cell simulated: {simulated['streams']:,} streams, {simulated['workers']} workers",
        "",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "most ms",
    )
    for name, row in simulated["latency_ms"].items():
        table.add_row(name, *(f"{row[key]:,.0f}" for key in ("p50", "p95", "p99", "most")))
    console = open_console()
    console.print(table)
    console.print(
        f"fewest workers within the bound: {simulated['least_workers']}"
        f" (planned {simulated['workers']}); {simulated['redone']} segments were done again"
    )
