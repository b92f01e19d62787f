"""What the parts cost on this machine: decoding, inference, and the whole path."""

from scanner.bench.benches import bench_decode, bench_infer, bench_pipeline
from scanner.bench.document import SCHEMA, Report, schema, to_document
from scanner.bench.footage import Footage, look_at
from scanner.bench.machine import Machine, read_machine
from scanner.bench.measure import Amount, Plan, Result, Run, Spread, measure

__all__ = [
    "SCHEMA",
    "Amount",
    "Footage",
    "Machine",
    "Plan",
    "Report",
    "Result",
    "Run",
    "Spread",
    "bench_decode",
    "bench_infer",
    "bench_pipeline",
    "look_at",
    "measure",
    "read_machine",
    "schema",
    "to_document",
]
