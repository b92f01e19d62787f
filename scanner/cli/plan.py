"""The command ``streamwarden plan``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
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
        list[Path],
        typer.Option(
            metavar="FILE",
            help="Output of `streamwarden bench all --json`; more of `bench decode --json` with"
            " cases of yours.",
        ),
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
        typer.Option("--simulate", help="Also simulate a machine, and the loss of another one."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Plan a service from measured costs: machines, GPUs, network, storage, cost, and what is
    scarce.

    A machine is a whole service; streams are spread over them.

    Examples:
      streamwarden bench all --json > bench.json
      streamwarden plan --bench bench.json --streams 10000
      streamwarden plan --bench bench.json --shape service.toml --simulate
    """
    wanted = _shape(shape, streams)
    plan = plan_fleet(wanted, read_costs(_read_all(bench)))
    simulated = None
    if simulate:
        if context.obj.simulator is None:
            raise SetupError("--simulate needs the package workers; start it as `streamwarden`")
        print_message("simulating a machine with the dispatch of the service", style="dim")
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


def _read_all(paths: Sequence[Path]) -> Mapping[str, Any]:
    """Return the results of all documents, which must be of one machine."""
    documents = [_read(path) for path in paths]
    for path, one in zip(paths, documents, strict=True):
        found, first = one["machine"].get("cpu"), documents[0]["machine"].get("cpu")
        if found != first:
            raise SetupError(
                f"{path}: measured on {found}, {paths[0]} on {first}: measure all on one machine"
            )
    return {"results": [result for one in documents for result in one["results"]]}


def _read(path: Path) -> Any:
    try:
        document = json.loads(path.read_text("utf-8"))
        if not str(document["schema"]).startswith("streamwarden-bench/"):
            raise KeyError("schema")
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(
            f"{path}: not the output of `streamwarden bench all --json`, which is wanted"
        ) from error
    return document


def _to_document(plan: FleetPlan, simulated: Any) -> dict[str, Any]:
    loads = [{**asdict(load), "group": load.group.model_dump(mode="json")} for load in plan.loads]
    return {
        "schema": "streamwarden-plan/2",
        **asdict(plan),
        "loads": loads,
        "machines": plan.machines,
        "streams_per_machine": plan.streams_per_machine,
        "use": plan.use,
        "bottleneck": plan.bottleneck,
        "simulation": simulated,
    }


def _print_plan(shape: ServiceShape, plan: FleetPlan) -> None:
    console, machine = open_console(), shape.machine
    table = new_table(f"For {plan.streams:,} streams at the busiest time", "", "needed", "")
    spare = f"{plan.machines_needed:,} carry all, {plan.spare_machines:,} may be lost"
    each = plan.streams / plan.machines
    for row in (
        ("machines", f"{plan.machines:,}", spare),
        ("streams on each", f"{each:,.0f}", f"at most {plan.streams_per_machine:,.0f}"),
        ("workers on each", f"{plan.workers:,}", f"of {machine.cores} cores"),
        ("GPUs", f"{plan.gpus:,}", f"{machine.gpus} a machine"),
        ("network in", f"{plan.gigabits_in:,.1f} Gb/s", "of all machines together"),
        ("media kept", f"{plan.gigabytes_kept:,.0f} GB", f"{shape.keep_minutes:g} minutes"),
        ("cost", *_costs(shape, plan)),
    ):
        table.add_row(*row)
    console.print(table)
    table = new_table("What limits a machine", "", "streams it carries", "used with all machines")
    for name, most in sorted(plan.carries.items(), key=lambda item: item[1]):
        table.add_row(name, f"{most:,.0f}", f"{plan.use[name]:.0%}")
    console.print(table)
    for load in plan.loads:
        motion = 1000 * load.motion_share * load.motion_seconds
        console.print(
            f"{load.group.streams:,} x {load.group.case}: {1000 * load.worker_seconds:.1f} ms of a"
            f" worker a segment, and {motion:.1f} ms for looks in motion",
            style="dim",
        )


def _costs(shape: ServiceShape, plan: FleetPlan) -> tuple[str, str]:
    prices = shape.machine.price_per_hour, shape.price_per_gigabyte_month
    if not any((*prices, shape.price_per_gigabyte_in)):
        return "-", "no price was given: see --shape"
    each = f"{plan.cost_per_1000_stream_hours:,.2f} for 1000 stream-hours"
    return f"{plan.cost_per_hour:,.2f} an hour", each


def _print_simulation(simulated: Any) -> None:
    table = new_table(
        f"A machine simulated: {simulated['streams']:,} streams, {simulated['workers']} workers",
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
        f"most streams of a machine within the bound: {simulated['most_streams']:,} simulated,"
        f" {simulated['planned_streams']:,.0f} planned;"
        f" {simulated['redone']} segments were done again, {simulated['unfinished']} were not done"
    )
