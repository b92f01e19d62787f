from __future__ import annotations

import subprocess
import sys

MODULES = (
    "sharding",
    "leases",
    "order",
    "dispatch",
    "batching",
    "crew",
    "decode",
    "inference",
    "traces",
    "cluster",
    "actors",
    "cli",
)
CODE = """
import sys
from importlib import import_module

for module in sys.argv[1:]:
    import_module(f"workers.{module}")
    print(module, any(name.split(".")[0] == "ray" for name in sys.modules))
"""


def test_importing_a_module_does_not_import_ray() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *MODULES], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == [f"{module} False" for module in MODULES]
