"""What a runner needs is told before it starts."""

from __future__ import annotations

import sys

import pytest

from scanner.compose import compose, worker_parts
from scanner.errors import SetupError
from scanner.settings.sections import Settings
from workers.runner import ray_pool


def test_workers_without_ray_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as a module that is not installed
    program = compose(Settings())
    with (
        pytest.raises(
            SetupError, match=r"Ray is not installed, and 2 workers need it.*--workers 0"
        ),
        ray_pool(program, worker_parts(program), 2),
    ):
        pass
