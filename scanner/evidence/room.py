"""Keeps what an incident may need to be shown, and cuts it: in pieces while it runs, the rest when
it is over."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, TypeVar

from scanner.errors import DecoderDiedError, ScannerError, SetupError
from scanner.evidence.pieces import Shelf, Shelved, piece_of
from scanner.evidence.sheet import Tile, write_poster, write_sheet
from scanner.lines import SummaryLine
from scanner.media.clip import ClipInfo, ClipRequest
from scanner.media.samples import Rgb
from scanner.media.thumbnails import ThumbnailRequest
from scanner.pts import Clock
from scanner.report.nouns import Clip, Finding, RiskPoint, Sheet
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.runner import Job
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.types import Fit, FrameSpec, Label, ScoredSegment, Span, StreamId

__all__ = ["EvidenceRoom", "open_room"]

log = logging.getLogger(__name__)

T = TypeVar("T")

PICTURE: Final = FrameSpec(width=320, height=180, fit=Fit.LETTERBOX)
"""One frame of a contact sheet: large enough to judge, small enough that twelve fit on a screen."""


@dataclass(slots=True)
class _Case:
    """An incident on its way into the report."""

    cut_from: Fraction
    """All before this is cut, or lies before its pre-roll."""
    clips: list[Clip] = field(default_factory=list)
    """Cut so far, in order of time."""
    missing: str | None = None
    """Why a part of it was not cut."""


@dataclass(slots=True)
class _Stream:
    path: str
    shelf: Shelf = field(default_factory=Shelf)
    """What may still be asked for."""
    open: tuple[Incident, ...] = ()
    looks: list[tuple[Fraction, Mapping[Label, float]]] = field(default_factory=list)
    """Instants that were looked at and their risks, as far back as the shelf goes."""
    still: Shelved | None = None
    """What it is, where that is a picture."""


class EvidenceRoom:
    """Cuts clips and draws contact sheets into a folder, in a sandbox of its own."""

    def __init__(
        self, folder: Path, sandbox: Sandbox, policies: Policies, settings: EvidenceSettings
    ) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._policies = policies
        self._settings = settings
        self._streams: dict[StreamId, _Stream] = {}
        self._cases: dict[str, _Case] = {}
        self.findings: dict[str, list[Finding]] = defaultdict(list)
        """Of each path, in the order in which they closed."""
        self.stills: dict[str, Sheet] = {}
        """Of each path that is a picture and was flagged."""
        self.timelines: dict[str, list[RiskPoint]] = defaultdict(list)
        """Of each path, a point for each sample."""

    def arrived(self, path: str, job: Job) -> None:
        """A source was handed in."""
        self._streams.setdefault(job.segment.key.stream_id, _Stream(path)).shelf.hand(job)

    def looked(self, path: str, risk: StreamRisk) -> None:
        """One sample was folded."""
        stream = self._streams[risk.stream_id]
        risks = risk.risks(self._policies)
        if (
            stream.looks and stream.looks[-1][0] == risk.at
        ):  # a burst that ends with a frame which was looked at by itself
            stream.looks.pop()
            self.timelines[path].pop()
        self.timelines[path].append(
            RiskPoint(at=float(risk.at), risk=_words(risks), level=_words(risk.levels))
        )
        stream.looks.append((risk.at, risks))
        stream.open = risk.incidents

    def placed(self, segment: ScoredSegment, before: Clock, after: Clock) -> None:
        """A segment has its place: cut what of a running incident is long enough, forget what
        nothing needs."""
        stream = self._streams[segment.key.stream_id]
        placed = stream.shelf.place(
            segment, after.shift + segment.times.first_pts * segment.times.time_base
        )
        stream.still = placed if segment.info.still else None
        for incident in stream.open:
            case = self._case(incident)
            while after.end - case.cut_from >= self._settings.clip_seconds:
                self._cut(stream, incident, case, case.cut_from + self._settings.clip_seconds)
        needed = [self._case(incident).cut_from for incident in stream.open]
        horizon = min([after.end - self._reach(), *needed])
        stream.shelf.forget(horizon)
        stream.looks = [look for look in stream.looks if look[0] >= horizon]

    def show(self, path: str, incident: Incident) -> str | None:
        """Cut the rest of an incident that is over and draw its sheet; the first clip's file, or
        None where there is none."""
        stream, case = self._streams[incident.stream_id], self._case(incident)
        end = incident.opened if incident.end is None else incident.end
        self._cut(stream, incident, case, end + self._policies.labels[incident.label].post_roll)
        sheet = self._sheet(stream, incident, Span(start=incident.start, end=end))
        self.findings[path].append(_finding(incident, case, sheet, end))
        del self._cases[incident.id]
        return str(self._folder / case.clips[0].file) if case.clips else None

    def over(self, stream_id: StreamId, summary: SummaryLine | None) -> None:
        """Draw a still that was flagged; nothing else of this stream is needed any more."""
        stream = self._streams.pop(stream_id, None)
        if stream is None or stream.still is None or summary is None or not summary.flagged:
            return
        label = summary.flagged[0]
        pictures = self._pictures_of(stream.still, (Fraction(0),), stream.path)
        tiles = [
            Tile(at=0.0, image=one.image, label=label, score=summary.peak_score[label])
            for one in pictures
        ]
        if tiles:
            name = sha256(stream.path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            self.stills[stream.path] = write_sheet(tiles, self._folder, f"still-{name}")

    def _reach(self) -> Fraction:
        """How far back an incident that opens now can begin, pre-roll included."""
        return max(
            policy.window + policy.hold + policy.pre_roll
            for policy in self._policies.labels.values()
        )

    def _case(self, incident: Incident) -> _Case:
        start = max(incident.start - self._policies.labels[incident.label].pre_roll, Fraction(0))
        return self._cases.setdefault(incident.id, _Case(cut_from=start))

    def _cut(self, stream: _Stream, incident: Incident, case: _Case, until: Fraction) -> None:
        """One clip up to ``until``; where it cannot be cut, the report says why."""
        span, case.cut_from = Span(start=case.cut_from, end=max(until, case.cut_from)), until
        if len(case.clips) >= self._settings.clips:
            case.missing = f"only the first {self._settings.clips} clips were cut"
            return
        number = len(case.clips) + 1
        name = incident.id if number == 1 else f"{incident.id}-{number}"
        try:
            case.clips.append(self._clip(stream, span, name))
        except (ScannerError, OSError) as why:
            log.warning(
                "no clip", extra={"incident": incident.id, "error": type(why).__name__}
            )  # the report says the rest
            case.missing = str(why)

    def _clip(self, stream: _Stream, span: Span, name: str) -> Clip:
        placed = list(stream.shelf.showing(span))
        request = ClipRequest(pieces=tuple(piece_of(one, span) for one in placed))
        file = self._folder / "clips" / f"{name}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        try:
            with part.open("w+b") as output:
                info = _believed(
                    self._sandbox.call(
                        "cut",
                        [one.source for one in placed],
                        request,
                        output=output,
                        name=stream.path,
                    )
                )
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
        return _clip_of(info, f"clips/{file.name}", self._poster(stream, span, name))

    def _poster(self, stream: _Stream, span: Span, name: str) -> str | None:
        middle = span.start + span.length / 2
        pictures = list(self._pictures(stream, [middle]))
        return write_poster(pictures[0].image, self._folder, name) if pictures else None

    def _sheet(self, stream: _Stream, incident: Incident, span: Span) -> Sheet | None:
        within = [look for look in stream.looks if span.start <= look[0] <= span.end]
        chosen = _spread(within, self._settings.frames)
        risks = dict(chosen)
        pictures = self._pictures(stream, [at for at, _ in chosen])
        tiles = [
            Tile(
                at=float(one.at),
                image=one.image,
                label=incident.label,
                score=risks[one.at].get(incident.label),
            )
            for one in pictures
        ]
        return write_sheet(tiles, self._folder, incident.id) if tiles else None

    def _pictures(self, stream: _Stream, times: Sequence[Fraction]) -> Iterator[_Picture]:
        """What was shown at some instants; those that cannot be shown are left out."""
        if not times:
            return
        for placed in stream.shelf.showing(Span(start=times[0], end=times[-1] + 1)):
            inside = tuple(
                at - placed.span.start for at in times if placed.span.start <= at < placed.span.end
            )
            if inside:
                yield from self._pictures_of(placed, inside, stream.path)

    def _pictures_of(
        self, placed: Shelved, times: tuple[Fraction, ...], name: str
    ) -> Iterator[_Picture]:
        """What one source showed at some of its own seconds."""
        try:
            piece = piece_of(placed, placed.span)
            request = ThumbnailRequest(
                times=times,
                spec=PICTURE,
                first_pts=piece.first_pts,
                jumps=piece.jumps,
                init=piece.init,
            )
            for window in self._sandbox.stream(
                "thumbnails", [placed.source], request, specs=(PICTURE,), name=name
            ):
                yield from (
                    _Picture(placed.span.start + sample.at, sample.images[PICTURE])
                    for sample in window.samples
                )
        except (ScannerError, OSError) as why:
            log.warning("no pictures", extra={"error": type(why).__name__})


@contextmanager
def open_room(folder: Path, settings: Settings, policies: Policies) -> Iterator[EvidenceRoom]:
    """A room whose sandbox ends with it.

    Raises:
        SetupError: the folder cannot be made or written to; better told now than when there is
            something to put there.
    """
    _make_writable(folder)
    with Sandbox(settings.sandbox) as sandbox:
        yield EvidenceRoom(folder, sandbox, policies, settings.evidence)


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return
    except OSError as why:
        raise SetupError(
            f"{folder}: nothing can be written there: {why.strerror}; name another folder"
        ) from why


@dataclass(frozen=True, slots=True)
class _Picture:
    at: Fraction
    """On the stream clock."""
    image: Rgb


def _spread(looks: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly spread, the first and the last among them."""
    if len(looks) <= most:
        return list(looks)
    steps = (
        [round(index * (len(looks) - 1) / (most - 1)) for index in range(most)] if most > 1 else [0]
    )
    return [looks[step] for step in steps]


def _believed(said: Any) -> ClipInfo:
    """What the child said of the clip that it wrote."""
    try:
        return ClipInfo.from_json(said)
    except ValueError as why:
        raise DecoderDiedError(f"clip: decoder answered {why}") from why


def _clip_of(info: ClipInfo, file: str, poster: str | None) -> Clip:
    start, end = float(info.span.start), float(info.span.end)
    return Clip(
        file=file,
        start=start,
        end=end,
        transcoded=info.method == "transcoded",
        truncated=info.truncated,
        poster=poster,
    )


def _finding(incident: Incident, case: _Case, sheet: Sheet | None, end: Fraction) -> Finding:
    return Finding(
        id=incident.id,
        label=incident.label,
        labels=tuple(incident.labels),
        category=incident.category,
        severity=incident.severity,
        start=float(incident.start),
        opened=float(incident.opened),
        end=float(end),
        peak=incident.peak,
        reason=None if incident.reason is None else incident.reason.value,
        shadow=incident.shadow,
        clips=tuple(case.clips),
        sheet=sheet,
        missing=case.missing,
    )


def _words(values: Mapping[Label, T]) -> dict[str, T]:
    return {str(label): value for label, value in values.items()}
