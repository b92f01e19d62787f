"""Logging to stderr: errors only by default."""

from __future__ import annotations

import logging

from scanner.report.text import plain

__all__ = ["set_up_logs"]

LEVELS = (logging.ERROR, logging.INFO, logging.DEBUG)
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _WithFacts(logging.Formatter):
    """Appends the record's key-value facts to its constant message; invisible characters, which a
    traceback may quote, are escapes."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(
            f"{name}={value!r}"
            for name, value in vars(record).items()
            if name not in _KNOWN and not name.startswith("_")
        )
        text = f"{super().format(record)} {facts}".rstrip()
        return "\n".join(plain(line) for line in text.split("\n"))


def set_up_logs(verbosity: int) -> None:
    """Set the level: 0 errors, 1 information, 2 or more everything.

    Only our own loggers are configured; libraries stay silent.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_WithFacts("%(levelname)s %(name)s: %(message)s"))
    for name in ("scanner", "workers"):
        log = logging.getLogger(name)
        log.setLevel(LEVELS[min(verbosity, len(LEVELS) - 1)])
        log.handlers = [handler]
        log.propagate = False
