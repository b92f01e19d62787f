"""The methods by name. A new one is a file beside these and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scanner.risk.method import Method
from scanner.risk.methods.dwell import Dwell

__all__ = ["METHODS"]

METHODS: Final[Mapping[str, type[Method[Any]]]] = {
    "dwell": Dwell,
}
