"""The judgement of a still picture: by its scores alone, without a fold."""

from __future__ import annotations

from collections.abc import Mapping

from scanner.risk.medium import COUNTS, weight_of
from scanner.risk.policy import Policies
from scanner.types import Label, Medium

__all__ = ["judge_still"]


def judge_still(
    values: Mapping[Label, float], medium: Mapping[Medium, float], policies: Policies
) -> tuple[Label, ...]:
    """Return the labels whose score reaches their policy's ``still`` threshold, the most severe
    first.

    Where the policy names media, the picture must be of one of them with a probability of at least
    a half. Labels that are in shadow for still pictures, and labels without a policy, are never
    flagged.
    """
    recent = (medium,) if medium else ()
    return tuple(
        label
        for label in policies.by_severity()
        if label in values
        and not policies.labels[label].is_still_shadow
        and values[label] >= policies.labels[label].still
        and weight_of(recent, policies.labels[label].when) >= COUNTS
    )
