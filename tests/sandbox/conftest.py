from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.sandbox import Sandbox
from tests.sandbox.hostile_tasks import TASKS

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def make_sandbox() -> Iterator[MakeSandbox]:
    """Make sandboxes with the tasks of ``hostile_tasks`` and given limits; closed at the end."""
    with ExitStack() as sandboxes:
        yield lambda **limits: sandboxes.enter_context(
            Sandbox(SandboxLimits(**limits), tasks=TASKS, warm_up=None)
        )


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox()
