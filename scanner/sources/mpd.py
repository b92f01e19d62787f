"""MPDs of DASH encoders, as far as they name segments: templates, timelines and lists.

An MPD is hostile XML: one with a document type, which could define entities, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from xml.etree import ElementTree

from scanner.errors import DamagedError, LimitError, RefusedError
from scanner.ingest.inputs import ListedSegment, Listing
from scanner.ingest.naming import series_of
from scanner.sources.limits import FetchLimits
from scanner.sources.manifests import ENTRIES_KEPT, Manifest, offer, resolve_name
from scanner.sources.playlist import Variant

__all__ = ["read_mpd"]

Element = ElementTree.Element
Template = Mapping[str, str]

MOST_REPRESENTATIONS: Final = 32
MOST_REPEATS: Final = 100_000
_IDENTIFIER: Final = re.compile(r"\$(RepresentationID|Number|Bandwidth|Time|)(?:%0(\d{1,2})d)?\$")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Representation:
    """A representation with everything that it inherits."""

    name: str
    variant: Variant
    template: Template
    timeline: tuple[tuple[int, int], ...]
    """Start and duration of each segment, in units of the time scale."""
    listed: tuple[str, ...]
    """Names of a SegmentList."""


def read_mpd(body: bytes, *, path: str, prefix: str, limits: FetchLimits) -> Manifest:
    """Return what an MPD at ``path`` of a publishing point says of its last period.

    Raises:
        DamagedError: it is not an MPD.
        RefusedError: it has a document type.
        LimitError: it is too large.
    """
    root = _parse(body, path, limits)
    periods = _children(root, "Period")
    if not periods:
        return (), ()
    found = list(_representations(periods[-1], path))[:MOST_REPRESENTATIONS]
    ended = root.get("type", "static") == "static"
    listings = tuple(_listing(one, path, prefix, ended=ended) for one in found)
    return offer([(one.name, one.variant) for one in found], limits.variant_height), listings


def _parse(body: bytes, path: str, limits: FetchLimits) -> Element:
    if len(body) > limits.playlist_bytes:
        raise LimitError(
            f"{path}: {len(body)} bytes, limit is {limits.playlist_bytes}", kind="limit_bytes"
        )
    if b"<!" in body.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise RefusedError(f"{path}: an MPD without a document type is wanted")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DamagedError(f"{path}: not XML: {error}") from error
    if _tag(root) != "MPD":
        raise DamagedError(f"{path}: {_tag(root)}, an MPD is wanted")
    return root


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: Element | None, tag: str) -> list[Element]:
    return [] if element is None else [one for one in element if _tag(one) == tag]


def _representations(period: Element, path: str) -> Iterator[_Representation]:
    for group in _children(period, "AdaptationSet"):
        for one in _children(group, "Representation"):
            levels = (period, group, one)
            yield _Representation(
                name=f"{path}#{one.get('id', '')}",
                variant=_variant(group, one),
                template=_inherited(levels, "SegmentTemplate"),
                timeline=tuple(_timeline(levels)),
                listed=tuple(_listed(levels)),
            )


def _inherited(levels: Sequence[Element], tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for level in levels:
        for one in _children(level, tag):
            found.update(one.attrib)
    for init in (
        i
        for level in levels
        for list_ in _children(level, "SegmentList")
        for i in _children(list_, "Initialization")
    ):
        found.setdefault("initialization", init.get("sourceURL", ""))
    return found


def _variant(group: Element, one: Element) -> Variant:
    def of(name: str) -> str:
        return one.get(name) or group.get(name) or ""

    kind = of("contentType") or of("mimeType").partition("/")[0]
    codecs = tuple(codec.strip().lower() for codec in of("codecs").split(",") if codec.strip())
    if kind in ("audio", "text"):
        codecs = ("mp4a",)
    return Variant(
        uri=one.get("id", ""),
        bandwidth=_number(of("bandwidth")) or 0,
        width=_number(of("width")),
        height=_number(of("height")),
        codecs=codecs,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 18 else None


def _timeline(levels: Sequence[Element]) -> Iterator[tuple[int, int]]:
    """Yield start and duration of each segment; a repetition without an end yields nothing."""
    lists = [
        one
        for level in levels
        for tag in ("SegmentTemplate", "SegmentList")
        for one in _children(level, tag)
    ]
    timelines = [line for one in lists for line in _children(one, "SegmentTimeline")]
    at = count = 0
    for one in _children(timelines[-1] if timelines else None, "S"):
        duration, repeats = _number(one.get("d", "")), one.get("r", "0")
        at = at if one.get("t") is None else _number(one.get("t", "")) or 0
        if duration is None or not repeats.isdecimal():
            return
        for _ in range(int(repeats) + 1):
            count += 1
            if count > MOST_REPEATS:
                return
            yield at, duration
            at += duration


def _listed(levels: Sequence[Element]) -> Iterator[str]:
    lists = [one for level in levels for one in _children(level, "SegmentList")]
    for one in _children(lists[-1] if lists else None, "SegmentURL"):
        yield one.get("media", "")


def _listing(one: _Representation, path: str, prefix: str, *, ended: bool) -> Listing:
    names = dict(one.template)
    init = _fill(names.get("initialization", ""), one, number="", time="")
    media = _fill(names.get("media", ""), one, number="0", time="0")
    series = resolve_name(media, path, prefix) if media else None
    entries, first = _entries(one, path, prefix)
    scale = _number(names.get("timescale", "1")) or 1
    lengths = [duration for _, duration in one.timeline]
    target = max(lengths, default=_number(names.get("duration", "")) or 0)
    return Listing(
        rendition=one.name,
        first=first,
        entries=entries,
        target=Fraction(target, scale) if target else None,
        ended=ended,
        series=() if series is None else (series_of(series),),
        init=resolve_name(init, path, prefix) if init else None,
    )


def _entries(one: _Representation, path: str, prefix: str) -> tuple[tuple[ListedSegment, ...], int]:
    """Return the segments that a representation names, and the number of the first. Segments that
    are named by their time alone are not counted, so that they are no list."""
    names, media = dict(one.template), one.template.get("media", "")
    scale = _number(names.get("timescale", "1")) or 1
    start = _number(names.get("startNumber", ""))
    if one.listed:
        found = [(name, 0) for name in one.listed]
    elif start is None and "$Number" not in media:
        return (), 0
    else:
        found = [
            (_fill(media, one, number=str((start or 1) + n), time=str(at)), duration)
            for n, (at, duration) in enumerate(one.timeline)
        ]
    first = 1 if start is None else start
    skipped = max(0, len(found) - ENTRIES_KEPT)
    init = _fill(names.get("initialization", ""), one, number="", time="")
    entries = tuple(
        ListedSegment(
            path=resolve_name(name, path, prefix) or "",
            duration=Fraction(duration, scale) if duration else None,
            init=resolve_name(init, path, prefix) if init else None,
        )
        for name, duration in found[skipped:]
    )
    return entries, first + skipped


def _fill(template: str, one: _Representation, *, number: str, time: str) -> str:
    """Return a template with its identifiers replaced."""
    values = {
        "RepresentationID": one.variant.uri,
        "Bandwidth": str(one.variant.bandwidth),
        "Number": number,
        "Time": time,
        "": "$",
    }

    def replace(match: re.Match[str]) -> str:
        value = values[match[1]]
        return value.rjust(int(match[2]), "0") if match[2] else value

    return _IDENTIFIER.sub(replace, template)
