"""The forms that pages send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

from scanner.intake.problems import Problem

__all__ = ["Form", "form_of"]

FORM_BYTES: Final = 65536
FORM_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that a page sent."""

    fields: Mapping[str, list[str]]

    def text(self, name: str, default: str = "") -> str:
        """Return the value of a field, or ``default`` if it was not sent."""
        values = self.fields.get(name)
        return default if not values else values[-1]

    def all(self, name: str) -> list[str]:
        """Return all values of a field, such as those of a selection."""
        return self.fields.get(name, [])


async def form_of(request: Request) -> Form:
    """Return the form of a request, URL-encoded; it is read once.

    Raises:
        Problem: ``too_large``, or ``invalid_request`` for another media type.
    """
    known: Form | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise Problem("invalid_request", f"a URL-encoded form is wanted, got {kind}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise Problem("too_large", f"the form is over {FORM_BYTES} bytes")
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise Problem("invalid_request", "the form is not valid") from error
    request.state.form = Form(fields)
    return request.state.form  # type: ignore[no-any-return]
