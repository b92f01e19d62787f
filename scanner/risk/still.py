"""A still picture is judged by its scores alone; there is nothing to fold."""

from __future__ import annotations

from collections.abc import Mapping

from scanner.risk.medium import COUNTS, weight
from scanner.risk.policy import Policies
from scanner.types import Label, Medium

__all__ = ["judge_still"]


def judge_still(
    values: Mapping[Label, float], medium: Mapping[Medium, float], policies: Policies
) -> tuple[Label, ...]:
    """Labels whose score reaches their policy's ``still`` threshold, the most severe first.

    Where the policy names media, the picture must be one of them with a probability of a half at
    least. Labels in shadow and labels without a policy are never flagged.
    """
    recent = (medium,) if medium else ()
    return tuple(
        label
        for label in policies.by_severity()
        if label in values
        and not policies.labels[label].shadow
        and values[label] >= policies.labels[label].still
        and weight(recent, policies.labels[label].when) >= COUNTS
    )
