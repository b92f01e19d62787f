"""The lines of a playlist: tags with their values and attributes, names, variables; and errors that
name a line."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import parse_qsl, urlsplit

from scanner.errors import DamagedError, FormatError, LimitError, RefusedError
from scanner.sources.limits import FetchLimits

__all__ = ["PlaylistLine", "PlaylistLines", "decode_text", "parse_number"]

_ATTRIBUTE = re.compile(r'(?:[^,"]+|"[^"]*"?)+')
"""Text up to a comma outside of quotes; in linear time, whatever is unbalanced."""
_VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]{1,256})\}")
_NUMBER = re.compile(r"([+-]?\d{1,19})(\.\d*)?")
_SHOWN = 100
"""Characters of a value that a message shows."""
_GZIP_MAGIC = b"\x1f\x8b"

log = logging.getLogger(__name__)


def decode_text(body: bytes, limits: FetchLimits, name: str) -> str:
    """Return the text of a playlist, unpacked where its file is compressed with gzip.

    Raises:
        FormatError: it is not a playlist.
        DamagedError: it is not UTF-8, or cannot be unpacked.
        LimitError: it, or one of its lines, is too long.
    """
    if body.startswith(_GZIP_MAGIC):
        body = _unpack(body, limits, name)
    if not body.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        hint = "; download a media file, and scan it from disk" if "://" in name else ""
        raise FormatError(f"{name}: not a playlist, its first line is not #EXTM3U{hint}")
    longest = max(len(line) for line in body.splitlines())
    if longest > limits.line_bytes:
        raise LimitError(
            f"{name}: a line of {longest} bytes, limit is {limits.line_bytes}", kind="limit_bytes"
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise DamagedError(
            f"{name}: line {line}: byte 0x{body[error.start]:02x}, playlists are UTF-8"
        ) from error


def _unpack(body: bytes, limits: FetchLimits, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(body, limits.playlist_bytes + 1)
    except zlib.error as error:
        raise DamagedError(f"{name}: compressed with gzip, and damaged") from error
    if len(text) > limits.playlist_bytes:
        raise LimitError(f"{name}: playlist over {limits.playlist_bytes} bytes", kind="limit_bytes")
    return text


@dataclass(frozen=True, slots=True)
class PlaylistLine:
    """One line that is not blank and no comment."""

    number: int
    tag: str
    """Such as ``EXTINF``; empty for a URI."""
    value: str
    """The text after the tag's colon, or the URI."""


class PlaylistLines:
    """The lines of a playlist, its variables, and errors that name a line."""

    def __init__(self, text: str, name: str, location: str, imported: Mapping[str, str]) -> None:
        self.name = name
        self._query = dict(parse_qsl(urlsplit(location).query) if "://" in location else ())
        self._imported = imported
        self._lines = tuple(_split(text))
        self.is_master = any(line.tag == "EXT-X-STREAM-INF" for line in self._lines)
        self._has_variables = any(line.tag == "EXT-X-DEFINE" for line in self._lines)
        self.variables: dict[str, str] = {}

    def __iter__(self) -> Iterator[PlaylistLine]:
        for line in self._lines:
            if line.tag == "EXT-X-DEFINE":
                self._define(line)
                continue
            yield line

    def damaged(self, line: PlaylistLine, wanted: str) -> DamagedError:
        """Return the error of a line whose value cannot be read."""
        return DamagedError(f"{self._place(line)}: {self._shown(line)}, {wanted} is wanted")

    def refused(self, line: PlaylistLine, message: str) -> RefusedError:
        """Return the error of a line that may not be followed."""
        return RefusedError(f"{self._place(line)}: {self._shown(line)}: {message}")

    def ignore(self, line: PlaylistLine, wanted: str) -> None:
        """Note a value that cannot be read and is not needed."""
        log.info(
            "playlist: bad value ignored",
            extra={
                "playlist": self.name,
                "line": line.number,
                "tag": line.tag,
                "value": line.value[:_SHOWN],
                "wanted": wanted,
            },
        )

    def substitute(self, line: PlaylistLine, text: str) -> str:
        """Return the text with its variables replaced, where the playlist defines any."""
        if not self._has_variables:
            return text

        def replacement(match: re.Match[str]) -> str:
            if match[1] not in self.variables:
                raise self.damaged(line, f"a definition of the variable {match[1]} before it")
            return self.variables[match[1]]

        return _VARIABLE.sub(replacement, text)

    def attributes(self, line: PlaylistLine) -> dict[str, str]:
        """Return a tag's attributes by their names, without quotes; the first of a name counts."""
        found: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(line.value):
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
        return f"{self.name}: line {line.number}"

    @staticmethod
    def _shown(line: PlaylistLine) -> str:
        value = line.value if len(line.value) <= _SHOWN else f"{line.value[:_SHOWN]}..."
        return f'{line.tag or "name"} "{value}"'


def _split(text: str) -> Iterator[PlaylistLine]:
    """Yield tags and URIs. A name may contain ``#``, and characters at which Python splits lines;
    a line that begins with ``#`` and not with ``#EXT`` is a comment."""
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        line = raw.strip()
        if line.startswith("#EXT"):
            tag, _, value = line[1:].partition(":")
            yield PlaylistLine(number, tag.strip().upper(), value.strip())
        elif line and not line.startswith("#"):
            yield PlaylistLine(number, "", line)


def parse_number(text: str) -> Fraction | None:
    """Return a decimal number, or ``None`` for any other text.

    >>> parse_number("2.5"), parse_number(" -1 "), parse_number("1e9"), parse_number("nan")
    (Fraction(5, 2), Fraction(-1, 1), None, None)
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    return Fraction(match[1]) if match[2] is None else Fraction(str(float(match[0])))
