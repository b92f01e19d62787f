"""Parameters of requests: names in addresses, and metadata in queries."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from scanner.intake.problems import Problem

__all__ = [
    "LARGEST_SEQUENCE",
    "NAME",
    "ChannelName",
    "EndOfStream",
    "InitMetadata",
    "InitName",
    "Page",
    "SegmentByUrl",
    "SegmentMetadata",
    "Sequence",
    "SequenceNumber",
    "StreamDeclaration",
    "StreamName",
    "cursor_of",
    "epoch_seconds",
    "read_cursor",
]

NAME: Final = r"^[A-Za-z0-9_~@:+=-][A-Za-z0-9._~@:+=-]{0,199}$"
"""Names of streams, channels and init segments: 1 to 200 characters that need no escaping."""
LARGEST_SEQUENCE: Final = 2**53 - 1
"""The largest integer that every JSON reader takes exactly."""

StreamName = Annotated[str, Path(pattern=NAME, description="name of one broadcast")]
InitName = Annotated[str, Path(pattern=NAME, description="name of an init segment of the stream")]
SequenceNumber = Annotated[int, Field(ge=0, le=LARGEST_SEQUENCE)]
Sequence = Annotated[int, Path(ge=0, le=LARGEST_SEQUENCE, description="counts the segments")]
ChannelName = Annotated[
    str, Field(pattern=NAME, description="lasting identity that broadcasts belong to")
]
Seconds = Annotated[Decimal, Field(gt=0, le=3600, max_digits=16, decimal_places=9)]


class FrozenInput(BaseModel):
    """Input of a request: an unknown name is an error, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(**values: Any) -> dict[str, Any]:
    """Return the part of a model's schema that shows a body as a sender may write it."""
    return {"examples": [values]}


class SegmentMetadata(FrozenInput):
    """The facts that a sender declares of a segment; they have to be the same when it is sent
    again."""

    channel: ChannelName | None = None
    init: Annotated[str, Field(pattern=NAME, description="init segment it needs")] | None = None
    discontinuity: bool = Field(
        default=False, description="its timestamps do not continue those of the segment before"
    )
    duration: Seconds | None = Field(default=None, description="seconds")
    started_at: AwareDatetime | None = Field(
        default=None, description="wall-clock time of its first frame"
    )

    @property
    def exact_duration(self) -> Fraction | None:
        """The duration as an exact fraction."""
        return None if self.duration is None else Fraction(self.duration)


def _check_json_types(data: Any) -> Any:
    """Refuse what pydantic would turn into another type."""
    for name, value in data.items() if isinstance(data, Mapping) else ():
        if name == "discontinuity":
            if not isinstance(value, bool):
                raise ValueError("discontinuity: true or false is wanted")
        elif (
            isinstance(value, bool)
            or (name in _NUMBERS and isinstance(value, str))
            or (name == "started_at" and isinstance(value, int | float))
        ):
            raise ValueError(f"{name}: {'a number' if name in _NUMBERS else 'text'} is wanted")
    return data


_NUMBERS: Final = frozenset({"sequence", "first_sequence", "last_sequence", "expected_duration"})


class SegmentByUrl(
    SegmentMetadata,
    json_schema_extra=example(
        sequence=7, url="https://media.example/live/7.ts", channel="main-stage", duration=4.0
    ),
):
    """A segment that the service fetches."""

    _check_types = model_validator(mode="before")(_check_json_types)

    sequence: SequenceNumber
    url: Annotated[str, Field(max_length=8192, description="http or https")]


class InitMetadata(FrozenInput):
    """The facts that a sender declares of an init segment."""

    channel: ChannelName | None = None


class StreamDeclaration(
    FrozenInput,
    json_schema_extra=example(
        channel="main-stage", first_sequence=0, started_at="2026-11-30T18:00:00Z"
    ),
):
    """The facts that a sender declares of a stream."""

    _check_types = model_validator(mode="before")(_check_json_types)

    channel: ChannelName | None = None
    first_sequence: SequenceNumber | None = Field(
        default=None,
        description="sequence of the first segment; without it, the first that arrives",
    )
    started_at: AwareDatetime | None = None
    expected_duration: Annotated[float, Field(gt=0, le=31_622_400)] | None = Field(
        default=None, description="seconds"
    )


class SignalInput(
    FrozenInput,
    json_schema_extra=example(name="report-81", ratio=20.0, seconds=300.0, labels=["gun"]),
):
    """Evidence that is not in the picture: a report, the chat, a fact about the account."""

    name: Annotated[str, Field(pattern=NAME)] = Field(
        description="identifies the signal; a later one of the same name replaces it"
    )
    ratio: Annotated[float, Field(ge=1e-6, le=1e6)] = Field(
        description="likelihood ratio: how many times more likely it is where the label is true"
    )
    seconds: Annotated[float, Field(ge=0.001, le=86_400)] = Field(
        default=300.0, description="time for which it is in force, in whole milliseconds"
    )
    labels: Annotated[list[str], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="labels of the taxonomy that it concerns; without them, all"
    )
    at: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        default=None,
        description="second of the stream's clock; without it, the latest scored moment",
    )


class EndOfStream(FrozenInput, json_schema_extra=example(last_sequence=899, reason="stopped")):
    """The end of a stream."""

    _check_types = model_validator(mode="before")(_check_json_types)

    last_sequence: SequenceNumber | None = Field(
        default=None,
        description="segments up to this one are still accepted; without it, none is",
    )
    reason: Annotated[str, Field(max_length=200)] | None = None


class Page(FrozenInput):
    """A part of a list."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=400)] | None = Field(
        default=None, description="`next` of the page before"
    )


def cursor_of(at: float, name: str) -> str:
    """Return the cursor after a row of a list that is sorted by time and name."""
    return base64.urlsafe_b64encode(json.dumps([at, name]).encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> tuple[float, str] | None:
    """Return time and name of the row before a page.

    Raises:
        Problem: ``invalid_request``.
    """
    if text is None:
        return None
    try:
        at, name = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        str(name).encode()  # one half of a surrogate pair is no name
        return float(at), str(name)
    except (ValueError, TypeError) as error:
        raise Problem("invalid_request", "query.cursor: not one that a page gave") from error


def epoch_seconds(time: datetime | None) -> float | None:
    """Return a time as seconds since the epoch, or None for None."""
    return None if time is None else time.timestamp()
