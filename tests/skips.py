"""Under continuous integration a skipped test is a failed one, because skips are not read.

``tests/conftest.py`` imports these hooks, so pytest runs them. They act where the environment
variable ``CI`` is set; what needs hardware, data or libraries that CI does not have is exempt.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

__all__ = ["EXEMPT", "pytest_make_collect_report", "pytest_runtest_makereport"]

EXEMPT = frozenset({"gpu", "no_gpu", "shared_data", "slow", "train"})
"""Markers of tests that may be skipped anywhere."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test unless one of its markers exempts it."""
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    exempt = EXEMPT & {mark.name for mark in item.iter_markers()}
    if report.skipped and _is_ci() and not expected_failure and not exempt:
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips all its tests while it is imported."""
    report = yield
    if report.skipped and _is_ci():
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: skips are failures where CI is set. {reason}"


def _is_ci() -> bool:
    return os.environ.get("CI", "") not in ("", "0", "false")
