"""Errors, sorted by who can fix them.

    ScannerError
     |- InputError          the sender: refuse, never retry
     |   |- FormatError         not a container, codec or picture that we open
     |   |- DamagedError        it is one, but cannot be read
     |   |- NoVideoError        nothing to decode
     |   |- LimitError          over one of the configured limits
     |   |- RefusedError        names something that it may not name
     |   `- QuarantinedError    ended its decoder twice
     |- SetupError          the operator: stop, and say how to fix it
     `- TransientError      time: a later attempt may succeed
         `- DecoderDiedError    the disposable decoder ended before its work did

HTTP answers, retries and the ``kind`` of an ``error`` line derive from this tree.
"""

from __future__ import annotations

__all__ = [
    "DamagedError",
    "DecoderDiedError",
    "FormatError",
    "InputError",
    "LimitError",
    "NoVideoError",
    "QuarantinedError",
    "RefusedError",
    "ScannerError",
    "SetupError",
    "TransientError",
    "rebuild",
]


class ScannerError(Exception):
    """Anything that Streamwarden raises on purpose."""

    retryable = False
    kind = "error"
    """The machine's word for it, stable across versions."""

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return (rebuild, (type(self).__name__, self.kind, str(self)))


class InputError(ScannerError):
    """The sender can fix it; the same bytes will fail again."""

    kind = "input"


class FormatError(InputError):
    """Not a container, codec or picture that we open."""

    kind = "unsupported"


class DamagedError(InputError):
    """A format that we open, in a state that cannot be read."""

    kind = "damaged"


class NoVideoError(InputError):
    """Readable, with nothing to decode: empty, audio only, no decodable frame."""

    kind = "no_video"


class LimitError(InputError):
    """Over a configured limit; ``kind`` names it: ``limit_bytes``, ``limit_duration``,
    ``limit_pixels``, ``limit_frames``, ``limit_tracks``, ``limit_segments``, ``limit_lines``,
    ``limit_sources``, ``limit_probe_time``, ``limit_memory``, ``limit_time``."""

    kind = "limit"


class RefusedError(InputError):
    """It names another file, address or key that it has no right to."""

    kind = "refused"


class QuarantinedError(InputError):
    """It ended its decoder twice; its reason is recorded, and it is not tried again."""

    kind = "quarantined"


class SetupError(ScannerError):
    """The operator can fix it; the message says how."""

    kind = "setup"


class TransientError(ScannerError):
    """A later attempt may succeed."""

    retryable = True
    kind = "transient"


class DecoderDiedError(TransientError):
    """The disposable decoder ended before its work did; ``kind`` says how:
    ``decoder_died``, ``limit_time``, ``limit_cpu`` or ``limit_memory``."""

    kind = "decoder_died"


_BY_NAME = {
    cls.__name__: cls
    for cls in (
        ScannerError,
        InputError,
        FormatError,
        DamagedError,
        NoVideoError,
        LimitError,
        RefusedError,
        QuarantinedError,
        SetupError,
        TransientError,
        DecoderDiedError,
    )
}


def rebuild(name: str, kind: str, message: str) -> ScannerError:
    """Make the error again on the other side of a process border; an unknown name is an
    ``InputError``.

    >>> rebuild("LimitError", "limit_bytes", "x: 9 bytes, limit is 8")
    LimitError('x: 9 bytes, limit is 8')
    """
    return _BY_NAME.get(name, InputError)(message, kind=kind)
