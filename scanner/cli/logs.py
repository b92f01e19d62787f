"""What the program says of itself, on stderr: nothing but errors unless it is asked for more."""

from __future__ import annotations

import logging

__all__ = ["set_up_logs"]

LEVELS = (logging.ERROR, logging.INFO, logging.DEBUG)
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _WithFacts(logging.Formatter):
    """The constant message, then the facts that came with it."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(
            f"{name}={value!r}"
            for name, value in vars(record).items()
            if name not in _KNOWN and not name.startswith("_")
        )
        return f"{super().format(record)} {facts}".rstrip()


def set_up_logs(verbosity: int) -> None:
    """0: errors, 1: what happens, 2 and more: everything.

    Only our own loggers; libraries keep quiet.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_WithFacts("%(levelname)s %(name)s: %(message)s"))
    for name in ("scanner", "workers"):
        log = logging.getLogger(name)
        log.setLevel(LEVELS[min(verbosity, len(LEVELS) - 1)])
        log.handlers = [handler]
        log.propagate = False
