"""Settings of the live service, the section ``[service]``."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from scanner.settings.console import AuditSettings, ConsoleSettings
from scanner.sources.addresses import AddressPolicy

__all__ = [
    "FrozenSection",
    "IngestSettings",
    "JsonLinesSettings",
    "QuotaSettings",
    "RetentionSettings",
    "ReviewSettings",
    "ServiceSettings",
    "WebhookSettings",
]


class FrozenSection(BaseModel):
    """A table of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuotaSettings(FrozenSection):
    """Limits beyond which the service asks senders to wait."""

    backlog_seconds: float = Field(default=30.0, gt=0)
    """Age of the oldest waiting segment above which new segments are refused with 429."""
    bytes_in_flight: int = Field(default=512 << 20, ge=1)
    """Most bytes of requests that are being received at once, over all senders."""
    requests_in_flight: int = Field(default=512, ge=1)
    """Most segments that are being received at once, over all senders."""
    key_share: float = Field(default=0.5, gt=0, le=1)
    """Largest share of the waiting segments and of the bytes in flight that one key may have while
    others wait too."""
    header_seconds: float = Field(default=10.0, gt=0)
    """Longest time in which the headers of a request must arrive."""
    idle_seconds: float = Field(default=40.0, gt=0)
    """Longest time without a byte of a body: a segment's duration and 30 s."""
    fetches: int = Field(default=8, ge=1)
    """Segments that are fetched from addresses at once."""


class RetentionSettings(FrozenSection):
    """Times for which media and records are kept."""

    segment_seconds: float = Field(default=600.0, ge=0)
    """Least age of a segment that is deleted, if nothing needs it."""
    record_days: float = Field(default=30.0, gt=0)
    """Age of scores in the journal and of the rows of segments that are deleted."""
    score_days: float = Field(default=180.0, ge=0)
    """Age of scores in Parquet files, by hour, that are deleted; 0 writes no such files."""
    evidence_days: float = Field(default=180.0, gt=0)
    """Age of clips and contact sheets of incidents that closed, after which they are deleted."""
    decision_days: float = Field(default=730.0, gt=0)
    """Age of decisions that are deleted."""
    low_watermark: float = Field(default=0.10, gt=0, lt=1)
    """Free share of the disk below which an alarm is raised."""
    refuse_watermark: float = Field(default=0.05, gt=0, lt=1)
    """Free share of the disk below which new segments are refused with 507."""
    reserve_watermark: float = Field(default=0.02, gt=0, lt=1)
    """Free share of the disk below which clips are not cut; commits use the rest."""


class WebhookSettings(FrozenSection):
    """One receiver of incidents, by the rules of Standard Webhooks."""

    url: str
    secret: str = Field(repr=False, min_length=24)
    """The signing secret, ``whsec_`` and base64 of at least 24 random bytes."""
    timeout_seconds: float = Field(default=20.0, gt=0)
    """Longest time for one attempt."""
    addresses: str = Field(default="public", pattern="^(public|any)$")
    """``public`` refuses receivers at private and local addresses; ``any`` allows them."""
    actions_per_hour: int | None = Field(default=None, ge=0)
    """For a receiver that acts by itself: the most incidents, and decisions of programs, that it
    gets in an hour; what is beyond is held for people. None for no limit."""
    channel_actions_per_hour: int | None = Field(default=None, ge=0)
    """The same for each channel, or stream without one."""

    @field_validator("secret")
    @classmethod
    def _is_base64(cls, secret: str) -> str:
        # decoders skip other characters, and sign with a shorter key than was meant
        digits = secret.removeprefix("whsec_").rstrip("=")
        try:
            base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
        except binascii.Error:
            raise ValueError("no base64; wanted whsec_ and base64, as of openssl rand") from None
        return secret


class JsonLinesSettings(FrozenSection):
    """A folder that gets each revision of an incident and each decision as a line of JSON."""

    folder: Path
    """Folder of its own; it is made for the service's user alone."""
    max_bytes: int = Field(default=64 << 20, ge=32_768)
    """Bytes of a file beyond which the next one is begun."""
    keep: int = Field(default=16, ge=0)
    """The latest files that are kept; 0 for all."""


class ReviewSettings(FrozenSection):
    """How people work in the review console."""

    claim_seconds: float = Field(default=300.0, gt=0)
    """Time for which an item belongs to the person who opened it, since their latest action."""
    undo_seconds: float = Field(default=300.0, ge=0)
    """Time within which people can undo a decision of their own; a lead can always."""
    severe_wait_seconds: float = Field(default=300.0, gt=0)
    """Wait of an item of severity 3 for a decision above which an alarm is raised."""


class IngestSettings(FrozenSection):
    """What hooks of media servers may name."""

    folders: list[Path] = []
    """Folders below which files are read that a hook names."""
    origins: list[str] = []
    """Origins such as ``http://srs:8080`` from which URLs are fetched that a hook names;
    ``fetch_addresses`` applies to them too."""
    ome_secret: str = Field(default="", repr=False)
    """Secret of OvenMediaEngine's admission webhooks; empty refuses them."""


class ServiceSettings(FrozenSection):
    """Settings of the live service."""

    data: Path = Path("streamwarden-data")
    """Folder of the journal and of all media."""
    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    """0 chooses a free port, which is printed."""
    public_url: str = ""
    """Address under which people reach the service, for links in webhooks; empty for relative
    links."""
    tls_cert: Path | None = None
    """Certificates of the service in PEM, its own first; with ``tls_key`` it speaks HTTPS."""
    tls_key: Path | None = None
    """The private key of the certificate, in PEM."""
    behind_proxy: str = ""
    """Address of the one reverse proxy whose forwarded headers are believed; empty for none."""
    workers: int = Field(default=2, ge=0)
    """Ray workers that decode and score; 0 scores in the driver, without Ray."""
    max_age: float = Field(default=300.0, gt=0)
    """Age in seconds above which a waiting segment is shed instead of scored."""
    stall_seconds: float = Field(default=30.0, gt=0)
    """Seconds without a usable segment after which a live stream counts as stalled."""
    hole_seconds: float = Field(default=10.0, gt=0)
    """Least time that a later segment waits for a missing one."""
    fetch_addresses: AddressPolicy = "public"
    """Where segments may be fetched from that senders name by URL: ``public`` addresses only, or
    ``any``."""
    ingest: IngestSettings = IngestSettings()
    quota: QuotaSettings = QuotaSettings()
    review: ReviewSettings = ReviewSettings()
    retention: RetentionSettings = RetentionSettings()
    console: ConsoleSettings = ConsoleSettings()
    audit: AuditSettings = AuditSettings()
    webhooks: dict[str, WebhookSettings] = {}
    """Receivers of incidents by name."""
    json_lines: dict[str, JsonLinesSettings] = {}
    """Folders by name that get incidents and decisions as lines of JSON."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if both := sorted(self.webhooks.keys() & self.json_lines.keys()):
            raise ValueError(f"{both[0]} is the name of a webhook and of a folder of JSON lines")
        return self

    @property
    def sinks(self) -> dict[str, WebhookSettings | JsonLinesSettings]:
        """Everything that incidents and decisions are sent to, by name."""
        return {**self.webhooks, **self.json_lines}
