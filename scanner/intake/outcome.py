"""The outcome of a submission as an answer or an error."""

from __future__ import annotations

from typing import Final, Literal

from scanner.intake.problems import Problem
from scanner.store.intake import Acceptance

__all__ = ["SUBMISSION_PROBLEMS", "AcceptedAs", "check_accepted"]

AcceptedAs = Literal["accepted", "same"]

_REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "other_content": (
        "conflict",
        "known already, with other bytes, and does not change; what is new needs another name, a"
        " restarted broadcast that of a new stream",
    ),
    "other_metadata": (
        "conflict",
        "known already, with other metadata, which does not change: send it again with the metadata"
        " of the first time, or leave it",
    ),
    "ends_too_early": ("conflict", "a segment after this last_sequence was accepted already"),
    "ended": (
        "stream_ended",
        "lies after the end of its stream; a restarted broadcast needs a new stream name",
    ),
    "init_unknown": (
        "init_unknown",
        "names an init segment that was never accepted; deliver the init segment first",
    ),
    "wrong_channel": (
        "wrong_channel",
        "its stream belongs to another channel, and stays with it; leave the channel out, or use a"
        " new stream name",
    ),
    "wrong_kind": (
        "conflict",
        "its name is that of a picture, or a picture's is that of a live stream; use another one",
    ),
    "forbidden": ("forbidden", "its channel is none that the API key allows"),
    "too_many": ("busy", "too many of them wait to become part of the risk"),
    "unknown": ("not_found", "its stream was never declared, and has no segment"),
}
"""Type and detail of the error for each acceptance that is one."""

SUBMISSION_PROBLEMS: Final = (
    "unauthenticated",
    "forbidden",
    "invalid_request",
    "disk_full",
)
"""Errors that every submission may be answered with."""


def check_accepted(acceptance: Acceptance, name: str) -> AcceptedAs:
    """Return how something was accepted.

    Raises:
        Problem: it was not.
    """
    if acceptance in ("accepted", "same"):
        return acceptance
    problem, detail = _REFUSALS[acceptance]
    raise Problem(problem, f"{name}: {detail}")
