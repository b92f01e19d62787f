"""A report as one static page that needs nothing from anywhere."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from scanner.report.chart import chart
from scanner.report.document import SCHEMA
from scanner.report.nouns import PathReport, Report
from scanner.report.text import clock, percent, plain

__all__ = ["to_page"]

LITTLE_SEEN = 0.95
"""Below this share of the duration, nothing found is not told without what was not seen."""


def to_page(report: Report) -> str:
    """The page; its clips and sheets are looked for beside it, and its style and script are the
    only ones that may run."""
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            schema=SCHEMA,
            charts=[chart(path, report.policies) for path in report.paths],
            verdicts=[_verdict(path) for path in report.paths],
            style=Markup(style),
            script=Markup(script),
            security=_security(style, script),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scanner.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "percent": percent}
    return environment


def _finalized(value: Any) -> Any:
    """Every text that reaches the page is made plain first; the template engine escapes it
    afterwards."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else plain(value)


def _security(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src 'self'",
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return files("scanner.report").joinpath("templates", name).read_text("utf-8")


def _verdict(path: PathReport) -> str:
    """One word for the page's marks: ``flagged``, ``unread``, ``partly`` or ``nothing``."""
    if path.flagged:
        return "flagged"
    if not path.read:
        return "unread"
    return "partly" if path.duration > 0 and path.coverage < LITTLE_SEEN else "nothing"
