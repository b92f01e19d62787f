"""Values as people read them: labels, durations, times of day, the risk of a stream."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from scanner.console.risk_view import RiskView

__all__ = ["draw_risk", "duration", "lines", "wall", "words"]


def words(name: str | None) -> str:
    """Return a name of the taxonomy or a state as words.

    >>> words("test_card")
    'test card'
    """
    return "" if name is None else name.replace("_", " ")


def duration(seconds: float) -> str:
    """Return a duration in the unit that people would use.

    >>> duration(42), duration(125), duration(7300), duration(200_000)
    ('42 s', '2 min', '2 h 1 min', '2 d')
    """
    whole = max(0, int(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d"


def wall(seconds: float) -> str:
    """Return a wall-clock time in UTC.

    >>> wall(0)
    '1970-01-01 00:00:00 UTC'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def lines(text: str) -> Any:
    """Return a text of several lines, escaped; only line ends stay of its hidden characters.

    >>> lines("a<b>\\nc")
    Markup('a&lt;b&gt;\\nc')
    """
    from markupsafe import Markup, escape

    from scanner.report.text import plain

    return Markup("\n").join(escape(plain(line)) for line in text.splitlines())


def draw_risk(view: RiskView) -> Any:
    """Return the chart of a report for a part of a stream, as markup."""
    return _chart_template().module.timeline(view.chart)


@cache
def _chart_template() -> Any:
    from scanner.report.html import page_environment
    from scanner.report.text import count

    return page_environment("scanner.report", {"count": count}).get_template("chart.html")
