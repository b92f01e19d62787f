"""Parameters of requests: names in addresses, and metadata in queries."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["InitName", "SegmentMetadata", "Sequence", "StreamName"]

NAME: Final = r"^[A-Za-z0-9_~@:+=-][A-Za-z0-9._~@:+=-]{0,199}$"
"""Names of streams, channels and init segments: 1 to 200 characters that need no escaping."""
LARGEST_SEQUENCE: Final = 2**53 - 1
"""The largest integer that every JSON reader takes exactly."""

StreamName = Annotated[str, Path(pattern=NAME, description="name of one broadcast")]
InitName = Annotated[str, Path(pattern=NAME, description="name of an init segment of the stream")]
Sequence = Annotated[int, Path(ge=0, le=LARGEST_SEQUENCE, description="counts the segments")]
ChannelName = Annotated[
    str, Field(pattern=NAME, description="lasting identity that broadcasts belong to")
]
Seconds = Annotated[Decimal, Field(gt=0, le=3600, max_digits=16, decimal_places=9)]


class SegmentMetadata(BaseModel):
    """The facts that a sender declares of a segment; they have to be the same when it is sent
    again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


def epoch_seconds(time: datetime | None) -> float | None:
    """Return a time as seconds since the epoch, or None for None."""
    return None if time is None else time.timestamp()
