"""The bodies of answers, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["AcceptedSegment", "ProblemDocument", "SegmentFacts", "StreamSpan"]


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 defines it."""

    type: str = Field(description="`urn:streamwarden:problem:` and the name of the error")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="also in the log and in the header `X-Request-ID`")
    retryable: bool = Field(description="whether the same request may succeed later")


class AcceptedSegment(BaseModel):
    """A segment that is durable and will get a verdict."""

    stream_id: str
    sequence: int
    state: Literal["accepted", "same"] = Field(
        description="`same`: it was known already, with the same bytes and metadata"
    )
    bytes: int
    sha256: str


class StreamSpan(BaseModel):
    """A part of a stream, in seconds of its clock."""

    start: float
    end: float


class SegmentFacts(BaseModel):
    """Where a segment is, and its verdict."""

    stream_id: str
    sequence: int
    state: str = Field(description="`pending`, `leased`, or the verdict")
    verdict: Literal["scored", "late", "undecodable", "quarantined", "shed", "unlisted"] | None = (
        Field(description="what became of it; final; null while it waits")
    )
    verdict_at: float | None = Field(description="seconds since the epoch")
    detail: dict[str, Any] | None = Field(description="kind and message of what failed")
    span: StreamSpan | None = Field(description="its place on the stream's clock")
    bytes: int
    sha256: str
    received_at: float = Field(description="seconds since the epoch")
    stage: Literal["stored", "deleting", "deleted"] = Field(
        description="whether its bytes are still kept"
    )
