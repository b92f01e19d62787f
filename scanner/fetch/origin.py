"""Playlists on a server: one origin, which is scheme, host and port."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import httpx

from scanner.errors import DamagedError, LimitError, RefusedError, TransientError
from scanner.fetch.http import (
    PORTS,
    REDIRECTS,
    AbsentError,
    check_status,
    open_client,
    origin_of,
    parsed,
    without_secrets,
)
from scanner.fetch.limits import FetchLimits
from scanner.fetch.pace import Pace
from scanner.fetch.playlist import ByteRange

__all__ = ["Origin"]

_MOST_REDIRECTS = 3
_FIRST_PAUSE_SECONDS = 0.5
"""Before a request is tried again; each further pause is twice as long."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/")


class Origin:
    """One origin, read over one kept connection.

    No proxies, cookies or passwords of the environment are used.
    """

    live = True

    def __init__(self, url: str, limits: FetchLimits, pace: Pace) -> None:
        self._url = parsed(url, name_in="playlist")
        if self._url.scheme not in PORTS or not self._url.host:
            raise RefusedError(f"{url}: only http and https playlists are read")
        self.start = str(self._url)
        self._limits = limits
        self._pace = pace
        self._client = open_client(limits.idle_seconds)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Origin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def locate(self, name: str, *, base: str) -> str:
        """The whole address, if it is at this origin."""
        return str(self._allowed(httpx.URL(base), name))

    def shown(self, location: str) -> str:
        """The address without password and query."""
        return without_secrets(location)

    def playlist(self, location: str) -> bytes:
        """The body of the answer."""
        return self._get(location, None, self._limits.playlist_bytes)

    def source(self, location: str, span: ByteRange | None) -> bytes | None:
        """The body of the answer, or its range."""
        try:
            return self._get(location, span, self._limits.segment_bytes)
        except AbsentError:
            return None

    def _get(self, location: str, span: ByteRange | None, most: int) -> bytes:
        """The answer, tried again a few times while the reason may pass."""
        if span is not None and span.length > most:
            raise LimitError(
                f"{without_secrets(location)}: {span.length} bytes, limit is {most}",
                kind="limit_bytes",
            )
        for attempt in range(1, self._limits.attempts):
            try:
                return self._get_once(location, span, most)
            except TransientError:
                self._pace.sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        return self._get_once(location, span, most)

    def _get_once(self, location: str, span: ByteRange | None, most: int) -> bytes:
        shown, deadline = without_secrets(location), self._pace.now() + self._limits.request_seconds
        try:
            with self._answer(httpx.URL(location), span) as answer:
                check_status(answer, shown)
                return self._body(answer, span, most, deadline)
        except (httpx.HTTPError, httpx.InvalidURL) as why:
            raise TransientError(f"{shown}: {str(why) or type(why).__name__}") from why

    @contextmanager
    def _answer(self, url: httpx.URL, span: ByteRange | None) -> Iterator[httpx.Response]:
        """The last answer of a chain of redirects that never leaves the origin."""
        headers = (
            {} if span is None else {"Range": f"bytes={span.start}-{span.start + span.length - 1}"}
        )
        for _ in range(_MOST_REDIRECTS + 1):
            with self._client.stream("GET", url, headers=headers) as answer:
                if answer.status_code not in REDIRECTS:
                    yield answer
                    return
                url = self._allowed(url, answer.headers.get("Location", ""))
        raise RefusedError(f"{without_secrets(str(url))}: over {_MOST_REDIRECTS} redirects")

    def _body(
        self, answer: httpx.Response, span: ByteRange | None, most: int, deadline: float
    ) -> bytes:
        shown = without_secrets(str(answer.url))
        first, last = _promised(answer, span, shown)
        body = bytearray()
        for part in answer.iter_raw():
            body += part
            if len(body) > most:
                raise LimitError(f"{shown}: over {most} bytes", kind="limit_bytes")
            if self._pace.now() > deadline:
                raise TransientError(f"{shown}: not here after {self._limits.request_seconds:g} s")
            if last is not None and len(body) >= last:
                break
        if last is not None and len(body) < last:
            raise DamagedError(f"{shown}: ends before byte {last} of its range")
        return bytes(body[first:last])

    def _allowed(self, base: httpx.URL, name: str) -> httpx.URL:
        url = parsed(name, name_in=without_secrets(str(base)), base=base)
        if origin_of(url) != origin_of(self._url):
            raise RefusedError(
                f"{without_secrets(str(base))}: names {without_secrets(str(url))!r}, a playlist may only name what is at its own origin"
            )
        return url


def _promised(answer: httpx.Response, span: ByteRange | None, shown: str) -> tuple[int, int | None]:
    """Which part of the body is the wanted one, as a slice: a server may answer with the range or
    with everything."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise DamagedError(f"{shown}: compressed, although that was not asked for")
    if span is None:
        return 0, None
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        return span.start, span.start + span.length
    match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != span.start:
        raise DamagedError(
            f"{shown}: the server answers with another range than bytes {span.start}-"
        )
    return 0, span.length
