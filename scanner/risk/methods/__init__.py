"""The methods by name. A new one is a module of this package and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scanner.risk.method import Method
from scanner.risk.methods.decay import Decay
from scanner.risk.methods.dwell import Dwell
from scanner.risk.methods.ranked import KOfN, Median
from scanner.risk.methods.two_state import CutAware, TwoState

__all__ = ["METHODS"]

METHODS: Final[Mapping[str, type[Method[Any]]]] = {
    "dwell": Dwell,
    "two_state": TwoState,
    "k_of_n": KOfN,
    "median": Median,
    "decay": Decay,
    "cut_aware": CutAware,
}
