"""``streamwarden eval`` of labelled rows that ``streamwarden records export`` wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scanner.archive.labelled import read_labelled
from scanner.cli.messages import count_of
from scanner.cli.status import Status
from scanner.cli.terminal import new_table, open_console
from scanner.errors import SetupError
from scanner.evaluate.decided import DecidedPolicy, latest_rows, measure_decided
from scanner.evaluate.measures import Interval

__all__ = ["eval_decided"]


def eval_decided(files: Sequence[Path], *, as_json: bool) -> Status:
    """Print the precision of each label and policy, and what higher thresholds would have given."""
    rows = latest_rows(row for file in files for row in read_labelled(file))
    if not rows:
        raise SetupError(f"{files[0]}: no item was decided")
    measured = measure_decided(rows)
    if as_json:
        lines = ({"type": "decided", **asdict(one)} for one in measured)
        sys.stdout.writelines(json.dumps(line) + "\n" for line in lines)
        return Status.NOTHING
    title = f"Precision of {count_of(len(rows), 'decided item')}, exact intervals of 95 %"
    names = ("label", "policy", "models", "risk from", "flagged", "violations", "precision")
    table = new_table(title, *names)
    for one in measured:
        name = one.label if one.kind == "incident" else f"{one.label} (pictures)"
        threshold = "–" if one.threshold is None else f"{one.threshold:.3f}"
        table.add_row(name, one.policy, one.models, threshold, *_counts(one), style="bold")
        for trial in one.trials:
            counts = (str(trial.flagged), f"{trial.violations} ({trial.lost} lost)")
            table.add_row("", "", "", f"{trial.threshold:.3f}", *counts, _share(trial.precision))
    open_console().print(table)
    return Status.NOTHING


def _counts(one: DecidedPolicy) -> tuple[str, str, str]:
    return str(one.decided), str(one.violations), _share(one.precision)


def _share(interval: Interval) -> str:
    return f"{interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}]"
