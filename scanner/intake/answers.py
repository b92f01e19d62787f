"""The bodies of answers, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from scanner.store.outcomes import Verdict

__all__ = [
    "AcceptedEnd",
    "AcceptedInit",
    "AcceptedSegment",
    "AcceptedSignal",
    "AcceptedStream",
    "ChannelStatus",
    "ImageStatus",
    "ProblemDocument",
    "RiskOverTime",
    "RiskSample",
    "SegmentStatus",
    "StreamList",
    "StreamSpan",
    "StreamStatus",
]

Accepted = Literal["accepted", "same"]


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 defines it."""

    type: str = Field(description="`urn:streamwarden:problem:` and the name of the error")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="also in the log and in the header `X-Request-ID`")
    retryable: bool = Field(description="whether the same request may succeed later")
    errors: list[dict[str, str]] = Field(
        default=[], description="`where` and `message` of each part of an invalid request"
    )


class AcceptedSegment(BaseModel):
    """A segment that is durable and will get a verdict."""

    stream_id: str
    sequence: int
    state: Accepted = Field(
        description="`same`: it was known already, with the same bytes and metadata"
    )
    bytes: int
    sha256: str


class StreamSpan(BaseModel):
    """A part of a stream, in seconds of its clock."""

    start: float
    end: float


class SegmentStatus(BaseModel):
    """The state of a segment, and its verdict."""

    stream_id: str
    sequence: int
    channel: str | None
    state: str = Field(description="`pending`, `leased`, or the verdict")
    verdict: Verdict | None = Field(description="what became of it; final; null while it waits")
    verdict_at: float | None = Field(description="seconds since the epoch")
    detail: dict[str, Any] | None = Field(
        description="kind and message of what failed; also of a scored segment without a frame"
    )
    span: StreamSpan | None = Field(description="its place on the stream's clock")
    bytes: int
    sha256: str
    received_at: float = Field(description="seconds since the epoch")
    stage: Literal["stored", "deleting", "deleted"] = Field(
        description="whether its bytes are still kept"
    )


class AcceptedInit(BaseModel):
    """An init segment that is durable."""

    stream_id: str
    init_id: str
    state: Accepted
    bytes: int
    sha256: str


class AcceptedStream(BaseModel):
    """A stream that is declared."""

    stream_id: str
    channel: str | None
    state: Accepted


class AcceptedEnd(BaseModel):
    """The end of a stream, which is durable."""

    stream_id: str
    last_sequence: int | None
    state: Accepted


class AcceptedSignal(BaseModel):
    """A signal that is durable; it becomes part of the risk within 5 s."""

    stream_id: str
    name: str
    state: Literal["accepted"]


class StreamStatus(BaseModel):
    """A stream: what was delivered, how far it is scored, its risk and its coverage."""

    stream_id: str
    kind: Literal["live", "image"]
    channel: str | None
    state: Literal["live", "stalled", "ended", "finished"] = Field(
        description="`ended`: its end is known; `finished`: everything up to it is scored"
    )
    created_at: float = Field(description="seconds since the epoch")
    last_arrival: float | None = Field(description="when the latest segment was accepted")
    folded_at: float | None = Field(description="when the latest result was committed")
    ended_at: float | None
    end_reason: str | None
    first_sequence: int | None
    last_sequence: int | None
    declared: dict[str, Any]
    turns: int = Field(description="inputs that are scored or accounted for: the watermark")
    open_incidents: int
    generation: int = Field(description="configuration of the latest result")
    seconds: float | None = Field(
        description="the end of what is scored or known to be missing, on the stream's clock"
    )
    coverage: float | None = Field(description="share of that time that was seen, 0 to 1")
    unseen: dict[str, float] = Field(description="seconds that were not seen, by reason")
    risk: dict[str, float] = Field(description="probability of each label now")
    peaks: dict[str, float] = Field(description="highest score of each label")
    segments: dict[str, int] | None = Field(
        default=None, description="segments by verdict, and `pending`; null in lists"
    )


class StreamList(BaseModel):
    """A page of streams."""

    streams: list[StreamStatus]
    next: str | None = Field(description="`cursor` of the next page; null for the last")


class PublicationStatus(BaseModel):
    """What an encoder pushes to a channel."""

    state: Literal["idle", "probing", "live", "stalled", "ending", "ended"]
    stream_id: str | None = Field(description="stream of the latest publication")
    began_at: float = Field(description="seconds since the epoch")
    latest_media_at: float = Field(description="when the latest segment was accepted")
    target_duration: float | None = Field(description="seconds of a segment, if known")
    rendition: str | None = Field(description="the rendition that is scanned")
    renditions: list[str]
    objects: dict[str, int] = Field(description="objects of the last day by what became of them")


class ChannelStatus(BaseModel):
    """The latest streams of a channel."""

    channel: str
    state: Literal["live", "stalled", "ended"]
    publication: PublicationStatus | None = Field(
        default=None, description="of an encoder that pushes; null if there never was one"
    )
    streams: list[StreamStatus] = Field(description="at most 20, the newest first")


class RiskSample(BaseModel):
    """The risk of a stream just after one sample."""

    at: float = Field(description="seconds of the stream's clock")
    levels: dict[str, float | None] = Field(
        description="log-odds of each label; null while too little was seen to know it"
    )
    boosts: dict[str, float] = Field(description="log-odds that signals add")


class RiskOverTime(BaseModel):
    """Samples of a stream in the order in which they were folded."""

    stream_id: str
    channel: str | None
    samples: list[RiskSample]
    next_turn: int | None = Field(description="`after_turn` of the next page; null for the last")


class ImageStatus(BaseModel):
    """A picture, its verdict and its scores."""

    image_id: str
    channel: str | None
    state: Literal["pending", "finished"]
    verdict: Verdict | None
    detail: dict[str, Any] | None = Field(description="kind and message of what failed")
    sha256: str
    received_at: float = Field(description="seconds since the epoch")
    scores: dict[str, float] = Field(description="probability of each label")
    medium: dict[str, float] = Field(description="probability of each kind of picture")
    flagged: list[str] = Field(description="labels that the policies flag")
    models: list[str] = Field(description="name and version of each model that scored it")
