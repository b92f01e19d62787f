from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
import workers.{module}
print(any(name.split('.')[0] == 'ray' for name in sys.modules))
"""


@pytest.mark.parametrize(
    "module",
    [
        "dispatch",
        "batching",
        "pool",
        "decode",
        "inference",
        "blame",
        "heartbeat",
        "leftovers",
        "cluster",
        "actors",
        "runner",
        "cli",
    ],
)
def test_importing_a_module_does_not_import_ray(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "False\n"
