"""An evaluation as one static page that needs nothing from anywhere, and runs nothing."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scanner.evaluate.drawn import by_task, change_chart, reliability_charts, roc_charts, signed
from scanner.evaluate.evaluation import Evaluation
from scanner.evaluate.measures import Interval
from scanner.evaluate.robustness import RATE, Robustness
from scanner.evaluate.slices import DARK, FEW, SMALL
from scanner.report.text import percent, plain

__all__ = ["Section", "environment", "to_page"]

UNKNOWN = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page that something else has measured."""

    title: str
    body: Markup
    """Escaped HTML without scripts, styles or addresses; charts of ``scanner.evaluate.charts`` fit
    in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changed:
    """One contest of the robustness table."""

    name: str
    rows: tuple[Robustness, ...]
    charts: tuple[Markup, ...]


def to_page(evaluation: Evaluation, sections: Sequence[Section] = ()) -> str:
    """The page; ``sections`` come after the figures of single rows.

    Its style is the only one that may apply.
    """
    style = files("scanner.evaluate").joinpath("templates", "evaluation.css").read_text("utf-8")
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            evaluation=evaluation,
            subject=evaluation.subject,
            sections=sections,
            rocs=tuple(roc_charts(evaluation.curves)),
            diagrams=tuple(reliability_charts(evaluation.reliability)),
            changed=_changed(evaluation.robustness),
            slices=by_task(evaluation.slices),
            recall_rate=RATE,
            dark=DARK,
            small=SMALL,
            few=FEW,
            style=Markup(style),
            security=_security(style),
        )
    )


def environment() -> Environment:
    """What fills the templates of this package: everything is escaped, and what is not known is an
    error."""
    environment = Environment(
        loader=PackageLoader("scanner.evaluate", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": _share,
        "figure": _figure,
        "interval": _interval,
        "change": _change,
        "shares": _shares,
    }
    return environment


def _finalized(value: Any) -> Any:
    """Every text that reaches the page is made plain first; the template engine escapes it
    afterwards."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else plain(value)


def _security(style: str) -> str:
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _changed(rows: Sequence[Robustness]) -> tuple[_Changed, ...]:
    contests: dict[str, list[Robustness]] = {}
    for row in rows:
        contests.setdefault(f"{row.task}: {row.label} against {row.against}", []).append(row)
    return tuple(
        _Changed(name=name, rows=tuple(own), charts=_charts(name, own))
        for name, own in contests.items()
    )


def _charts(name: str, rows: Sequence[Robustness]) -> tuple[Markup, ...]:
    recall = f"recall at {percent(RATE)} false positives"
    return (
        change_chart(rows, lambda row: row.auc_difference, f"{name}: AUC"),
        change_chart(rows, lambda row: row.recall_difference, f"{name}: {recall}"),
    )


def _figure(value: float) -> str:
    """A measure between 0 and 1, or what stands for one that cannot be had."""
    return f"{value:.3f}" if isfinite(value) else UNKNOWN


def _share(value: float) -> str:
    return percent(value) if isfinite(value) else UNKNOWN


def _interval(interval: Interval) -> str:
    """A measure with its interval."""
    if not isfinite(interval.low):
        return _figure(interval.value)
    return f"{interval.value:.3f} [{interval.low:.2f}, {interval.high:.2f}]"


def _shares(interval: Interval) -> str:
    """A share with its interval."""
    if not isfinite(interval.low):
        return _share(interval.value)
    return f"{_share(interval.value)} [{percent(interval.low)}, {percent(interval.high)}]"


def _change(interval: Interval) -> str:
    """A difference with its interval."""
    if not isfinite(interval.value):
        return UNKNOWN
    value = signed(round(interval.value, 3))
    return (
        value
        if not isfinite(interval.low)
        else f"{value} [{signed(round(interval.low, 2))}, {signed(round(interval.high, 2))}]"
    )
