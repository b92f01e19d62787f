"""The figures of a whole stream, from its state at the end."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scanner.risk.policy import Policies
from scanner.risk.still import judge_still
from scanner.risk.stream import LabelRisk
from scanner.stream.clock import trailing
from scanner.stream.events import StreamSummary
from scanner.stream.state import StillScores, StreamState
from scanner.types import Label

__all__ = ["summarize_still", "summarize_stream"]


def summarize_still(state: StreamState, still: StillScores, policies: Policies) -> StreamSummary:
    """Return the summary of a file that is one picture, which is judged by its scores alone."""
    flagged = state.flagged | set(judge_still(still.values, still.medium, policies))
    return StreamSummary(
        duration=Fraction(0),
        frames=state.frames,
        coverage=1.0,
        medium=still.medium,
        peak_risk={},
        peak_level={},
        peak_score=state.peaks,
        flagged=tuple(sorted(flagged)),
    )


def summarize_stream(state: StreamState, policies: Policies) -> StreamSummary:
    """Return the summary of a stream whose end is folded."""
    end, coverage = trailing(state.clock, state.latest).end, state.risk.coverage
    labels: Mapping[Label, LabelRisk] = state.risk.labels
    return StreamSummary(
        duration=end,
        frames=state.frames,
        coverage=coverage.share(end),
        medium=coverage.medium_share,
        peak_risk={label: _peak_risk(label, one, policies) for label, one in labels.items()},
        peak_level={label: one.peak_level for label, one in labels.items()},
        peak_score=state.peaks,
        flagged=tuple(sorted(state.flagged)),
    )


def _peak_risk(label: Label, risk: LabelRisk, policies: Policies) -> float:
    """Return the highest risk; the prior for a label whose level was never known."""
    if risk.peak_level is not None:
        return risk.peak_risk
    return max(risk.peak_risk, policies.labels[label].risk(None))
