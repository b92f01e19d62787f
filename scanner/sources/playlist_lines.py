"""The lines of a playlist: tags with their values and attributes, names, variables; and errors that
name a line.

The text is hostile: it is read within limits of bytes, lines and processor time, in linear time and
without a copy of each line in memory.
"""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from scanner.errors import DamagedError, FormatError, LimitError, RefusedError
from scanner.sources.limits import FetchLimits

__all__ = [
    "ParseBudget",
    "PlaylistLine",
    "PlaylistLines",
    "decode_text",
    "parse_leading_number",
    "parse_number",
]

_ATTRIBUTE = re.compile(r'(?:[^,"]+|"[^"]*"?)+')
"""Text up to a comma outside of quotes; in linear time, whatever is unbalanced."""
_LINE = re.compile(r"[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]{1,256})\}")
_NUMBER = re.compile(r"([+-]?\d{1,19})(\.\d*)?")
_SHOWN = 100
"""Characters of a value that a message shows."""
_GZIP_MAGIC = b"\x1f\x8b"
_STEPS: Final = 64
"""Steps between two readings of the clock."""
_MAX_ATTRIBUTES: Final = 200
"""Attributes of one tag that are read; the standard defines about twenty."""
_MAX_IGNORED: Final = 20
"""Bad values of one playlist that are logged."""

log = logging.getLogger(__name__)


def decode_text(body: bytes, limits: FetchLimits, name: str) -> str:
    """Return the text of a playlist, unpacked where its file is compressed with gzip.

    Raises:
        FormatError: it is not a playlist.
        DamagedError: it cannot be unpacked.
        LimitError: it, or one of its lines, is too long, or it has too many lines.
    """
    if body.startswith(_GZIP_MAGIC):
        body = _unpack(body, limits, name)
    if not body.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        hint = "; download a media file, and scan it from disk" if "://" in name else ""
        raise FormatError(f"{name}: not a playlist, its first line is not #EXTM3U{hint}")
    count = body.count(b"\n") + body.count(b"\r")
    if count > limits.playlist_lines:
        raise LimitError(
            f"{name}: {count} lines, limit is {limits.playlist_lines}", kind="limit_lines"
        )
    longest = max(len(line) for line in body.splitlines())
    if longest > limits.line_bytes:
        raise LimitError(
            f"{name}: a line of {longest} bytes, limit is {limits.line_bytes}", kind="limit_bytes"
        )
    text = body.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        log.info("playlist: bytes that are no UTF-8 replaced", extra={"playlist": name})
    return text


def _unpack(body: bytes, limits: FetchLimits, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(body, limits.playlist_bytes + 1)
    except zlib.error as error:
        raise DamagedError(f"{name}: compressed with gzip, and damaged") from error
    if len(text) > limits.playlist_bytes:
        raise LimitError(f"{name}: playlist over {limits.playlist_bytes} bytes", kind="limit_bytes")
    return text


class ParseBudget:
    """Processor time of this thread for one version of a playlist."""

    def __init__(
        self, seconds: float, name: str, now: Callable[[], float] = time.thread_time
    ) -> None:
        self._seconds = seconds
        self._name = name
        self._now = now
        self._end = now() + seconds
        self._steps = 0

    def step(self) -> None:
        """Count one step of bounded work.

        Raises:
            LimitError: there is no time left.
        """
        self._steps += 1
        if self._steps % _STEPS == 0 and self._now() > self._end:
            raise LimitError(
                f"{self._name}: needs more than {self._seconds:g} s to be read", kind="limit_time"
            )


class PlaylistLine(NamedTuple):
    """One line that is not blank and no comment."""

    start: int
    """Where it starts in the text."""
    tag: str
    """Such as ``EXTINF``; empty for a URI."""
    value: str
    """The text after the tag's colon, or the URI."""


class PlaylistLines:
    """The lines of a playlist, its variables, and errors that name a line."""

    def __init__(
        self,
        text: str,
        name: str,
        location: str,
        imported: Mapping[str, str],
        limits: FetchLimits,
    ) -> None:
        self.name = name
        self._text = text
        self._query = dict(parse_qsl(urlsplit(location).query) if "://" in location else ())
        self._imported = imported
        self._limits = limits
        self._budget = ParseBudget(limits.parse_seconds, name)
        tags = {line.tag for line in self._split()}
        self.is_master = "EXT-X-STREAM-INF" in tags
        self._has_variables = "EXT-X-DEFINE" in tags
        self.variables: dict[str, str] = {}
        self._substituted = 0
        """Characters of all substituted texts."""
        self._ignored = 0

    def __iter__(self) -> Iterator[PlaylistLine]:
        for line in self._split():
            if line.tag == "EXT-X-DEFINE":
                self._define(line)
                continue
            yield line

    def _split(self) -> Iterator[PlaylistLine]:
        """Yield tags and URIs. A name may contain ``#``, and characters at which Python splits
        lines; a line that begins with ``#`` and not with ``#EXT`` is a comment."""
        for match in _LINE.finditer(self._text):
            self._budget.step()
            line = match[0].strip()
            if line.startswith("#EXT"):
                tag, _, value = line[1:].partition(":")
                yield PlaylistLine(match.start(), tag.strip().upper(), value.strip())
            elif line and not line.startswith("#"):
                yield PlaylistLine(match.start(), "", line)

    def damaged_error(self, line: PlaylistLine, wanted: str) -> DamagedError:
        """Return the error of a line whose value cannot be read."""
        return DamagedError(f"{self._place(line)}: {self._quote(line)}, {wanted} is wanted")

    def refused_error(self, line: PlaylistLine, message: str) -> RefusedError:
        """Return the error of a line that may not be followed."""
        return RefusedError(f"{self._place(line)}: {self._quote(line)}: {message}")

    def ignore(self, line: PlaylistLine, wanted: str) -> None:
        """Note a value that cannot be read and is not needed."""
        self._ignored += 1
        if self._ignored > _MAX_IGNORED:
            return
        log.info(
            "playlist: bad value ignored",
            extra={
                "playlist": self.name,
                "line": self._number(line),
                "tag": line.tag,
                "value": line.value[:_SHOWN],
                "wanted": wanted,
            },
        )

    def substitute(self, line: PlaylistLine, text: str) -> str:
        """Return the text with its variables replaced, where the playlist defines any.

        Raises:
            DamagedError: a variable is not defined.
            LimitError: the result is longer than a line may be, or all results are longer than a
                playlist may be.
        """
        if not self._has_variables:
            return text
        length = 0

        def replacement(match: re.Match[str]) -> str:
            nonlocal length
            if match[1] not in self.variables:
                raise self.damaged_error(line, f"a definition of the variable {match[1]} before it")
            value = self.variables[match[1]]
            length += len(value)
            self._substituted += len(value)
            self._check_substituted(line, length)
            return value

        return _VARIABLE.sub(replacement, text)

    def _check_substituted(self, line: PlaylistLine, length: int) -> None:
        for found, limit in (
            (length, self._limits.line_bytes),
            (self._substituted, self._limits.playlist_bytes),
        ):
            if found > limit:
                raise LimitError(
                    f"{self._place(line)}: variables of {found} characters, limit is {limit}",
                    kind="limit_bytes",
                )

    def attributes(self, line: PlaylistLine) -> dict[str, str]:
        """Return a tag's attributes by their names, without quotes; the first of a name counts, and
        none beyond ``_MAX_ATTRIBUTES``."""
        found: dict[str, str] = {}
        for match in islice(_ATTRIBUTE.finditer(line.value), _MAX_ATTRIBUTES):
            self._budget.step()
            name, _, value = (part.strip() for part in match[0].partition("="))
            if value.startswith('"'):
                value = self.substitute(line, value.strip('"'))
            found.setdefault(name.upper(), value)
        return found

    def _define(self, line: PlaylistLine) -> None:
        found = self.attributes(line)
        wanted = "NAME and VALUE, QUERYPARAM of the playlist's address, or IMPORT of its master"
        if "NAME" in found and "VALUE" in found:
            self.variables[found["NAME"]] = found["VALUE"]
        elif found.get("QUERYPARAM") in self._query:
            self.variables[found["QUERYPARAM"]] = self._query[found["QUERYPARAM"]]
        elif found.get("IMPORT") in self._imported:
            self.variables[found["IMPORT"]] = self._imported[found["IMPORT"]]
        else:
            self.ignore(line, wanted)

    def _place(self, line: PlaylistLine) -> str:
        return f"{self.name}: line {self._number(line)}"

    def _number(self, line: PlaylistLine) -> int:
        return 1 + sum(1 for _ in _LINE_END.finditer(self._text, 0, line.start))

    @staticmethod
    def _quote(line: PlaylistLine) -> str:
        value = line.value if len(line.value) <= _SHOWN else f"{line.value[:_SHOWN]}..."
        return f'{line.tag or "name"} "{value}"'


def parse_number(text: str) -> Fraction | None:
    """Return a decimal number, or ``None`` for any other text.

    >>> parse_number("2.5"), parse_number(" -1 "), parse_number("1e9"), parse_number("nan")
    (Fraction(5, 2), Fraction(-1, 1), None, None)
    """
    return _number_of(_NUMBER.fullmatch(text.strip()))


def parse_leading_number(text: str) -> Fraction | None:
    """Return the decimal number that a text begins with, as players read it, or ``None``.

    >>> parse_leading_number("2.5,title"), parse_leading_number(" 4 s"), parse_leading_number("abc")
    (Fraction(5, 2), Fraction(4, 1), None)
    """
    return _number_of(_NUMBER.match(text.strip()))


def _number_of(match: re.Match[str] | None) -> Fraction | None:
    if match is None:
        return None
    return Fraction(match[1]) if match[2] is None else Fraction(str(float(match[0])))
