"""The shape of a service: what it must carry, and what machines cost. Read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scanner.errors import SetupError
from scanner.validation import describe_errors

__all__ = ["MachineShape", "ServiceShape", "StreamGroup", "read_shape"]


class _ShapeTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StreamGroup(_ShapeTable):
    """Streams that are alike."""

    streams: int = Field(ge=1, le=10_000_000)
    """Streams at the same time, on an ordinary day."""
    case: str = "h264:1080:2:adaptive"
    """The case of ``bench decode`` that they are like; it must have been measured."""
    megabits: float = Field(default=6.0, gt=0)
    """Bit rate of each, in Mb/s."""
    segment_seconds: float = Field(default=4.0, gt=0)
    motion_share: float | None = Field(default=None, ge=0, le=10)
    """Looks in motion of a segment; None for as many as their budget lets a stream have that wants
    them everywhere, as ``bench`` measured: no stream costs more."""


class MachineShape(_ShapeTable):
    """One machine, and its price."""

    cores: int = 16
    """At least 2: one for a worker, and one for the rest of the service."""
    gpus: int = Field(default=0, ge=0)
    """GPUs that score: 1, of which a service uses no more, or 0 to score on the cores."""
    gpu_samples_per_second: float | None = Field(default=None, gt=0)
    """What ``bench infer --provider cuda`` measured on such a GPU; needed with GPUs."""
    gigabits: float = Field(default=10.0, gt=0)
    """Network, in Gb/s."""
    price_per_hour: float = Field(default=0.0, ge=0)
    speed: float = Field(default=1.0, gt=0)
    """Speed of a core over that of a core of the machine that was measured."""

    @field_validator("cores")
    @classmethod
    def _check_cores(cls, value: int) -> int:
        if value < 2:
            raise ValueError("a machine needs 2 cores, one of them for a worker")
        return value

    @field_validator("gpus")
    @classmethod
    def _check_gpus(cls, value: int) -> int:
        if value > 1:
            raise ValueError("a service scores on one GPU of its machine; give 1")
        return value


class ServiceShape(_ShapeTable):
    """What must be carried, how safely, and what may be counted on."""

    groups: tuple[StreamGroup, ...]
    machine: MachineShape = MachineShape()
    peak: float = Field(default=1.3, ge=1)
    """Streams at the busiest time over those of an ordinary day."""
    spare_machines: int = Field(default=1, ge=0)
    """Machines of the whole service that may be lost at the busiest time."""
    cell_streams: int = Field(default=1000, ge=1)
    """Most streams of a machine, however large it is."""
    latency_seconds: float = Field(default=1.0, gt=0)
    """Bound on the 95th percentile from a segment's arrival to its result."""
    service_ms: float = Field(default=24.0, ge=0)
    """Processor time of a segment outside the workers: receiving, ordering, committing, delivery.
    The default was measured with ``benchmarks.service`` on an idle machine."""
    web_segments_per_second: float = Field(default=270.0, gt=0)
    """Segments that one web process receives in a second; measured with ``benchmarks.intake``."""
    driver_segments_per_second: float = Field(default=400.0, gt=0)
    """Segments that one driver orders and commits in a second; measured with
    ``benchmarks.driver``."""
    keep_minutes: float = Field(default=10.0, ge=0)
    """How long media is kept."""
    price_per_gigabyte_month: float = Field(default=0.0, ge=0)
    price_per_gigabyte_in: float = Field(default=0.0, ge=0)

    @field_validator("groups")
    @classmethod
    def _check_groups(cls, value: tuple[StreamGroup, ...]) -> tuple[StreamGroup, ...]:
        if not value:
            raise ValueError("a service needs a table [[groups]] with its streams")
        return value


def read_shape(path: Path) -> ServiceShape:
    """Read the shape from a TOML file.

    Raises:
        SetupError: it cannot be read, or a value is unknown or invalid.
    """
    try:
        return ServiceShape.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        known = [
            name
            for table in (ServiceShape, MachineShape, StreamGroup)
            for name in table.model_fields
        ]
        messages = map(_place_key, describe_errors(error, known=known, noun="key"))
        raise SetupError(f"{path}: {'; '.join(messages)}") from error
    except ValueError as error:
        raise SetupError(f"{path}: {error}") from error


def _place_key(message: str) -> str:
    """Name the table of a key that is known, and was given in another one."""
    for table, model in (("[[groups]]", StreamGroup), ("[machine]", MachineShape)):
        for name in model.model_fields:
            wrong = f"no such key; did you mean {name}?"
            if message.endswith(f"{name}: {wrong}"):
                return message.replace(wrong, f"no such key here; it belongs in {table}")
    return message
