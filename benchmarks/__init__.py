"""Compares the product's cost with code that one would write by hand; ``docs/benchmarks.md`` has
the figures.

Machines are shared and clock rates vary, so every figure is a ratio of processor times, measured
alternately in one process: A, B, A, B. Wall times are never compared.
"""

from __future__ import annotations

import os

# As in ``scanner``: modules here import the runtime before that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
