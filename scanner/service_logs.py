"""Structured logs: one JSON object a line on stderr, or readable text on a terminal."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

import structlog

__all__ = ["set_up_service_logs"]


def set_up_service_logs(process: str) -> None:
    """Write the logs of this process, and the warnings of its libraries, to stderr."""
    terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        partial(_add_process, process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *shared,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _drop_stamp_of_ray,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _add_process(process: str, _: object, __: str, event: Any) -> Any:
    """Add the name of the process, which the context of a thread may lack."""
    event.setdefault("process", process)
    return event


def _drop_stamp_of_ray(_: object, __: str, event: Any) -> Any:
    """Drop what Ray adds to every record of a process that has loaded it."""
    event.pop("_ray_timestamp_ns", None)
    return event
