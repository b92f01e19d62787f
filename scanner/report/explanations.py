"""One sentence for each label of a path: why it was flagged, or why it was not.

flagged      an incident of the label is live, or a still picture reached the threshold
recorded     the same, of a label in shadow: never flagged
below        the evidence did not reach the threshold
brief        a score reached the threshold and did not last
medium       too little of the path is of a medium that the policy counts
short        too little of the path was seen
not_scored   no model gave the label a score
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scanner.report.nouns import PathReport, PolicyUsed
from scanner.report.text import join_words, percent, percents
from scanner.risk.policy import logit, sigmoid
from scanner.types import Label

__all__ = ["LabelExplanation", "LabelOutcome", "explain_labels", "recorded_labels"]

HALF: Final = 0.5
"""Share of the media that count below which a path or a picture is not one of them."""


class LabelOutcome(StrEnum):
    """Result of one label on one path."""

    FLAGGED = "flagged"
    RECORDED = "recorded"
    BELOW = "below"
    BRIEF = "brief"
    MEDIUM = "medium"
    SHORT = "short"
    NOT_SCORED = "not_scored"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExplanation:
    """Why a label was flagged on a path, or why it was not."""

    label: str
    outcome: LabelOutcome
    shadow: bool
    """True if the label's policy is in shadow for such a path: whatever its scores, it is never
    flagged."""
    lasting_score: float | None
    """The highest score that lasted as long as the policy asks for, in [0, 1]; None where no such
    score is known: too little was seen, a still picture, or another method than dwell."""
    incidents: tuple[int, ...]
    """Numbers of the label's incidents on the path, from 1."""
    text: str
    """The sentence for people."""


def explain_labels(
    path: PathReport, policies: Sequence[PolicyUsed]
) -> tuple[LabelExplanation, ...]:
    """Return an explanation of each label that has a policy; none for a path that was not read.

    Flagged labels come first, then recorded ones, then the others in the order of the policies.
    """
    if not path.is_read:
        return ()
    explained = [_explain(path, policy) for policy in policies]
    first = (LabelOutcome.FLAGGED, LabelOutcome.RECORDED)
    return tuple(
        sorted(
            explained,
            key=lambda one: first.index(one.outcome) if one.outcome in first else len(first),
        )
    )


def recorded_labels(path: PathReport, policies: Sequence[PolicyUsed]) -> tuple[str, ...]:
    """Return the labels in shadow that would have flagged the path, each once."""
    incidents = (found.incident for found in path.incidents if found.incident.shadow)
    of_incidents = [str(label) for incident in incidents for label in incident.labels]
    explained = explain_labels(path, policies)
    judged = [one.label for one in explained if one.outcome is LabelOutcome.RECORDED]
    return tuple(dict.fromkeys([*of_incidents, *judged]))


def _explain(path: PathReport, policy: PolicyUsed) -> LabelExplanation:
    label = Label(policy.label)
    numbers = tuple(
        number
        for number, found in enumerate(path.incidents, 1)
        if label in found.incident.labels and found.incident.shadow == policy.shadow
    )
    level, shadow = path.summary.peak_level.get(label), _is_shadow(path, policy)
    outcome = _outcome_of(path, policy, bool(numbers))
    reason = _still_reason(path, policy) if path.is_still else _reason(path, policy, outcome)
    number = f" Incident {join_words([str(one) for one in numbers], 'and')}." if numbers else ""
    return LabelExplanation(
        label=label,
        outcome=outcome,
        shadow=shadow,
        lasting_score=None if level is None else _score_at(level, policy),
        incidents=numbers,
        text=f"{_opening(outcome, shadow)}: {reason}.{number}",
    )


def _outcome_of(path: PathReport, policy: PolicyUsed, has_incident: bool) -> LabelOutcome:
    label, summary = Label(policy.label), path.summary
    if has_incident or label in summary.flagged:
        return LabelOutcome.RECORDED if _is_shadow(path, policy) else LabelOutcome.FLAGGED
    if label not in summary.peak_score:
        return LabelOutcome.NOT_SCORED
    if path.is_still:
        return _still_outcome(path, policy)
    if summary.peak_level.get(label) is not None:
        needed = policy.open_score
        is_brief = needed is not None and policy.dwell > 0 and summary.peak_score[label] >= needed
        return LabelOutcome.BRIEF if is_brief else LabelOutcome.BELOW
    counted = _share_that_counts(path, policy)
    if counted < HALF or (policy.when and _seen_seconds(path) >= policy.dwell):
        return LabelOutcome.MEDIUM
    return LabelOutcome.SHORT


def _is_shadow(path: PathReport, policy: PolicyUsed) -> bool:
    return policy.still_shadow if path.is_still else policy.shadow


def _still_outcome(path: PathReport, policy: PolicyUsed) -> LabelOutcome:
    if path.summary.peak_score[Label(policy.label)] < policy.still:
        return LabelOutcome.BELOW
    if _share_that_counts(path, policy) < HALF:
        return LabelOutcome.MEDIUM
    return LabelOutcome.RECORDED


def _opening(outcome: LabelOutcome, is_shadow: bool) -> str:
    """Return the first words of the sentence: the result."""
    match outcome:
        case LabelOutcome.FLAGGED:
            return "Flagged"
        case LabelOutcome.RECORDED:
            return "Recorded only, because the label is in shadow"
        case LabelOutcome.NOT_SCORED:
            return "Not scored"
        case LabelOutcome.BELOW | LabelOutcome.BRIEF:
            return "Not recorded (in shadow)" if is_shadow else "Not flagged"
    return "Not judged (in shadow)" if is_shadow else "Not judged"


def _still_reason(path: PathReport, policy: PolicyUsed) -> str:
    label = Label(policy.label)
    if label not in path.summary.peak_score:
        return "no model gave it a score on this path"
    score, needed = percents(path.summary.peak_score[label], policy.still)
    if _still_outcome(path, policy) is not LabelOutcome.MEDIUM:
        return f"the score is {score}; {needed} is needed"
    share = percent(_share_that_counts(path, policy))
    return (
        f"the score of {score} is above the {needed} that is needed, but only"
        f" {_media(policy)} pictures count, and this is one with a probability of {share}"
    )


def _reason(path: PathReport, policy: PolicyUsed, outcome: LabelOutcome) -> str:
    summary, label = path.summary, Label(policy.label)
    if outcome is LabelOutcome.NOT_SCORED:
        return "no model gave it a score on this path"
    level = summary.peak_level.get(label)
    if level is not None:
        return _level_reason(path, policy, level, outcome)
    if outcome in (LabelOutcome.FLAGGED, LabelOutcome.RECORDED):
        return "a signal opened the incident"
    highest = f"the highest score is {percent(summary.peak_score[label])}"
    if outcome is LabelOutcome.SHORT:
        return (
            f"too little was seen, {_seen_seconds(path):.1f} s; a score must last"
            f" {policy.dwell:g} s or, on a shorter path, be that of two samples; {highest}"
        )
    share = percent(_share_that_counts(path, policy))
    return f"only {_media(policy)} pictures count, and they are {share} of what was seen; {highest}"


def _level_reason(path: PathReport, policy: PolicyUsed, level: float, outcome: LabelOutcome) -> str:
    score = _score_at(level, policy)
    if score is None or policy.open_score is None:
        return f"the highest level is {level:.1f}; {policy.open_level:.1f} is needed"
    lasting, needed = percents(score, policy.open_score)
    if not policy.dwell:
        return f"the highest score is {lasting}; {needed} is needed"
    seconds = f" {policy.dwell:g} s" if path.summary.duration >= policy.dwell else ""
    media = f" on {_media(policy)} pictures" if policy.when else ""
    if outcome is not LabelOutcome.BRIEF:
        return f"the highest score that lasted{seconds}{media} is {lasting}; {needed} is needed"
    highest, _ = percents(path.summary.peak_score[Label(policy.label)], policy.open_score)
    return (
        f"the highest score, {highest}, did not last{seconds}{media}, and the highest that did is"
        f" {lasting}; {needed} is needed"
    )


def _score_at(level: float, policy: PolicyUsed) -> float | None:
    """Return the score that has the level; None where a level is not that of a score."""
    if policy.open_score is None:
        return None
    return sigmoid(logit(policy.open_score) + level - policy.open_level)


def _share_that_counts(path: PathReport, policy: PolicyUsed) -> float:
    """Return the share of the seen time whose medium the policy counts; 1 where all count."""
    medium = path.summary.medium
    if not policy.when or not medium:
        return 1.0
    return min(sum(share for name, share in medium.items() if name.value in policy.when), 1.0)


def _seen_seconds(path: PathReport) -> float:
    return float(path.summary.duration) * path.summary.coverage


def _media(policy: PolicyUsed) -> str:
    return join_words(policy.when, "or")
