"""Playlists on a server: one origin, which is scheme, host and port."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from scanner.errors import DamagedError, LimitError, RefusedError, TransientError
from scanner.sources.cancellation import Cancellation
from scanner.sources.http import (
    PORTS,
    REDIRECTS,
    AbsentError,
    HttpClient,
    check_status,
    describe_failure,
    origin_of,
    parse_url,
    redact_url,
)
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import ByteRange
from scanner.sources.wall_clock import WallClock
from scanner.spooled import Spool
from scanner.types import HeldBytes

__all__ = ["Origin"]

_MAX_REDIRECTS = 3
_FIRST_PAUSE_SECONDS = 0.5
"""Pause before the second attempt of a request; each further pause is twice as long."""
_STRAY = re.compile(r"#|%(?![0-9A-Fa-f]{2})")
"""Characters that names contain and URLs cannot: encoders number their segments with ``#``."""
_GZIP, _IDENTITY = frozenset({"gzip", "x-gzip"}), frozenset({"", "identity"})
_LENGTH = re.compile(r"[0-9]{1,19}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/")


class Origin:
    """One origin, read over one persistent connection.

    Proxies, cookies and passwords from the environment are not used.
    """

    def __init__(
        self,
        url: str,
        limits: FetchLimits,
        clock: WallClock,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._url = parse_url(url, name_in="playlist")
        if self._url.scheme not in PORTS or not self._url.host:
            raise RefusedError(f"{url}: only http and https playlists are read")
        self.start = str(self._url)
        self._limits = limits
        self._clock = clock
        self._client = HttpClient(
            idle_seconds=limits.idle_seconds,
            addresses=limits.addresses,
            cancellation=cancellation,
            now=clock.now,
        )

    def close(self) -> None:
        """Close the connection to the server."""
        self._client.close()

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resolve(self, name: str, *, base: str) -> str:
        """Return the absolute URL, if it is at this origin; ``#`` is part of the name."""
        return str(self._allowed_url(httpx.URL(base), _STRAY.sub(_quote, name)))

    def redact(self, location: str) -> str:
        """Return the URL without password and query."""
        return redact_url(location)

    def follow(self, location: str) -> bool:
        """Return that a playlist on a server may grow."""
        return True

    def read_playlist(self, location: str) -> bytes:
        """Return the body of the response."""
        body = self._get(location, None, self._limits.playlist_bytes)
        return body if isinstance(body, bytes) else body.read()

    def read_media(self, location: str, span: ByteRange | None, most: int) -> HeldBytes | None:
        """Return the body of the response, or the range of it."""
        try:
            return self._get(location, span, most)
        except AbsentError:
            return None

    def _get(self, location: str, span: ByteRange | None, most: int) -> HeldBytes:
        """Return the body; transient failures are retried a few times."""
        if span is not None and span.length > most:
            raise LimitError(
                f"{redact_url(location)}: {span.length} bytes, limit is {most}",
                kind="limit_bytes",
            )
        for attempt in range(1, self._limits.attempts):
            try:
                return self._get_once(location, span, most)
            except TransientError:
                self._clock.sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        return self._get_once(location, span, most)

    def _get_once(self, location: str, span: ByteRange | None, most: int) -> HeldBytes:
        shown = redact_url(location)
        try:
            with (
                self._client.within(self._limits.request_seconds),
                self._request(httpx.URL(location), span) as response,
            ):
                check_status(response, shown)
                return self._read_body(response, span, most)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransientError(f"{shown}: {describe_failure(error)}") from error

    @contextmanager
    def _request(self, url: httpx.URL, span: ByteRange | None) -> Iterator[httpx.Response]:
        """Give the last response of a chain of redirects that never leaves the origin."""
        headers = (
            {} if span is None else {"Range": f"bytes={span.start}-{span.start + span.length - 1}"}
        )
        for _ in range(_MAX_REDIRECTS + 1):
            with self._client.get(url, headers) as response:
                if response.status_code not in REDIRECTS:
                    yield response
                    return
                url = self._allowed_url(url, response.headers.get("Location", ""))
        raise RefusedError(f"{redact_url(str(url))}: over {_MAX_REDIRECTS} redirects")

    def _read_body(self, response: httpx.Response, span: ByteRange | None, most: int) -> HeldBytes:
        shown = redact_url(str(response.url))
        first, last = _slice_of_body(response, span, shown)
        _check_length(response, last, most, shown)
        at = 0
        with Spool() as spool:
            for part in _unpack_body(response, most + 1, shown):
                spool.write(part[max(0, first - at) : None if last is None else last - at])
                at += len(part)
                if at > most:
                    raise LimitError(f"{shown}: over {most} bytes", kind="limit_bytes")
                if last is not None and at >= last:
                    break
            if last is not None and at < last:
                raise DamagedError(f"{shown}: ends before byte {last} of its range")
            if not at:
                raise TransientError(f"{shown}: the server answers with an empty body")
            return spool.take()

    def _allowed_url(self, base: httpx.URL, name: str) -> httpx.URL:
        shown_base = redact_url(str(base))
        url = parse_url(name, name_in=shown_base, base=base)
        if origin_of(url) != origin_of(self._url):
            raise RefusedError(
                f"{shown_base}: names {redact_url(str(url))!r}, "
                "a playlist may only name what is at its own origin"
            )
        return url


def _quote(stray: re.Match[str]) -> str:
    return f"%{ord(stray[0][0]):02X}{stray[0][1:]}"


def _check_length(response: httpx.Response, last: int | None, most: int, shown: str) -> None:
    """Refuse a body that is announced to be too long, before it is read.

    Raises:
        LimitError: it is.
    """
    announced = response.headers.get("Content-Length", "")
    if last is None and _LENGTH.fullmatch(announced) and int(announced) > most:
        raise LimitError(f"{shown}: {announced} bytes, limit is {most}", kind="limit_bytes")


def _unpack_body(response: httpx.Response, most: int, shown: str) -> Iterator[bytes]:
    """Yield the parts of the body, unpacked where the server sends gzip whatever was requested;
    no more than ``most`` bytes of one part, since few bytes unpack to many.

    Many bytes may unpack to none, so the packed ones are limited too.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in _IDENTITY:
        yield from response.iter_raw()
        return
    if encoding not in _GZIP:
        raise DamagedError(f"{shown}: Content-Encoding {encoding!r}, gzip or none is wanted")
    unpacker, packed = zlib.decompressobj(wbits=31), 0
    try:
        for part in response.iter_raw():
            packed += len(part)
            if packed > most:
                raise LimitError(f"{shown}: over {most - 1} bytes of gzip", kind="limit_bytes")
            yield unpacker.decompress(part, most)  # what is beyond is over the caller's limit
    except zlib.error as error:
        raise DamagedError(f"{shown}: its gzip body cannot be unpacked") from error
    if not unpacker.eof:
        raise TransientError(f"{shown}: its gzip body is cut short")


def _slice_of_body(
    response: httpx.Response, span: ByteRange | None, shown: str
) -> tuple[int, int | None]:
    """Return the slice of the body that was requested: a server may respond with the range or with
    the whole file."""
    if span is None:
        return 0, None
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return span.start, span.start + span.length
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != span.start:
        raise DamagedError(
            f"{shown}: the server answers with another range than bytes {span.start}-"
        )
    return 0, span.length
