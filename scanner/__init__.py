"""Streamwarden's library: from segments of live video to incidents.

    from scanner import scan_paths

    for line in scan_paths(["clip.mp4"]):
        print(line)

The names that most programs need are here. Each is imported on first use, so ``import scanner``
loads no decoder and no model. To read the code, begin with ``scanner.types`` (the nouns) and
``scanner.pipeline.scan`` (the whole path); to use the library, with ``docs/library.md``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# Its builds report every session to their vendor, unless this is set before they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from scanner.compose import scan_paths
    from scanner.errors import InputError, ScannerError, SetupError, TransientError
    from scanner.report.lines import (
        DamagedLine,
        ErrorLine,
        FrameLine,
        GapLine,
        IncidentLine,
        Line,
        SkippedLine,
        SummaryLine,
    )
    from scanner.settings.sections import Settings, read_settings
else:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DamagedLine",
    "ErrorLine",
    "FrameLine",
    "GapLine",
    "IncidentLine",
    "InputError",
    "Line",
    "ScannerError",
    "Settings",
    "SetupError",
    "SkippedLine",
    "SummaryLine",
    "TransientError",
    "read_settings",
    "scan_paths",
]

_HOMES = {
    "scanner.settings.sections": ("Settings", "read_settings"),
    "scanner.errors": ("InputError", "ScannerError", "SetupError", "TransientError"),
    "scanner.report.lines": (
        "DamagedLine",
        "ErrorLine",
        "FrameLine",
        "GapLine",
        "IncidentLine",
        "Line",
        "SkippedLine",
        "SummaryLine",
    ),
    "scanner.compose": ("scan_paths",),
}
