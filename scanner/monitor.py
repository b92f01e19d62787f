"""The owner of one stream: places its segments in time, folds them into its risk, and says what
became of it.

Outcomes come in the order of the stream's segments. All judgement is the core's (``pts``,
``risk``); this only leads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from scanner.errors import NoVideoError, QuarantinedError, ScannerError
from scanner.lines import ErrorLine, FrameLine, GapLine, Line, SummaryLine
from scanner.pts import Clock, place, trailing
from scanner.risk.fold import advance
from scanner.risk.incident import Closed, Event
from scanner.risk.observation import Ended, Gap, Observation, Sampled
from scanner.risk.policy import Policies
from scanner.risk.still import judge_still
from scanner.risk.stream import LabelRisk, StreamRisk
from scanner.runner import Failed
from scanner.types import GapReason, Label, ScoredFrame, ScoredSegment, Span, StreamId, Unseen

__all__ = ["Monitor", "Said"]

Said = Line | Event
"""What a scan tells: its lines, and the events behind them."""


class Monitor:
    """One stream's clock and risk, and the lines that tell of them."""

    def __init__(
        self,
        path: str,
        stream_id: StreamId,
        policies: Policies,
        *,
        on_look: Callable[[StreamRisk], None] | None = None,
    ) -> None:
        """``on_look`` is shown the stream's risk after each sample, for whoever draws its course."""
        self._path = path
        self._policies = policies
        self._on_look = on_look
        self._clock = Clock()
        self._risk = StreamRisk(stream_id=stream_id)
        self._hole: GapReason = "missing"
        self._latest = -1
        """Highest sequence that anything was heard of."""
        self._failures = 0
        self._frames = 0
        self._peaks: dict[str, float] = {}
        self._flagged: set[Label] = set()
        self._still: ScoredFrame | None = None

    @property
    def clock(self) -> Clock:
        """Where the stream stands."""
        return self._clock

    def take(self, outcome: ScoredSegment | Failed) -> Iterator[Said]:
        """The next segment's lines, and the events that it brought.

        Raises:
            ValueError: it comes before one that was taken.
        """
        self._latest = max(self._latest, outcome.key.sequence)
        if isinstance(outcome, Failed):
            yield from self._failed(outcome)
            return
        before = self._clock
        stands = before if before.sequence >= 0 else replace(before, end=outcome.begins)
        self._clock, offset = place(
            stands,
            outcome.times,
            sequence=outcome.key.sequence,
            discontinuity=outcome.discontinuity,
        )
        yield from (
            self._counted(self._frame_line(outcome, frame, offset)) for frame in outcome.frames
        )
        if outcome.info.still:
            self._still = outcome.frames[0] if outcome.frames else None
            return
        for observation in self._observations(outcome, before, offset):
            yield from self._fold(observation)
        yield from self._gaps()

    def lose(self, sequence: int, error: ScannerError | None) -> Iterator[Said]:
        """The next segment will never arrive; the error says why, where that is worth a line."""
        self._latest, self._hole = max(self._latest, sequence), "missing"
        if error is not None:
            yield self._told(error)

    def take_late(self, outcome: ScoredSegment | Failed) -> Iterator[Said]:
        """One that was given up as missing before it came: its span is told as ``late``, and
        nothing is folded."""
        if isinstance(outcome, Failed):
            yield self._told(outcome.error)
            return
        times = outcome.times
        start = max(times.first_pts * times.time_base + self._clock.shift, Fraction(0))
        yield GapLine(
            path=self._path, start=float(start), end=float(start + times.duration), reason="late"
        )

    def finish(self) -> Iterator[Said]:
        """The stream is over: incidents that were open close, and its summary comes last. None,
        where nothing was read.

        A stream of which nobody saw a single frame is never passed over in silence: it is an error,
        if none was told before.
        """
        if not self._frames and not self._failures:
            yield self._told(NoVideoError(f"{self._path}: no frame of it could be seen"))
        if self._clock.sequence < 0:
            return
        if self._still is not None:
            self._flagged.update(
                judge_still(self._still.values, self._still.medium, self._policies)
            )
        else:
            if self._tail.length > 0:
                yield from self._fold(Gap(span=self._tail, reason=self._hole))
            yield from self._fold(Ended(at=max(self._tail.end, self._risk.at)))
            yield from self._gaps(final=True)
        yield self._summary()

    @property
    def _tail(self) -> Span:
        return trailing(self._clock, self._latest)

    def _failed(self, failed: Failed) -> Iterator[Said]:
        self._hole = "quarantined" if isinstance(failed.error, QuarantinedError) else "undecodable"
        yield self._told(failed.error)

    def _told(self, error: ScannerError) -> ErrorLine:
        self._failures += 1
        return ErrorLine(path=self._path, kind=error.kind, message=str(error))

    def _observations(
        self, segment: ScoredSegment, before: Clock, offset: Fraction
    ) -> Iterator[Observation]:
        """What the segment says, in order of time; a hole before it first."""
        if segment.key.sequence > before.sequence + 1 and offset > before.end:
            yield Gap(span=Span(start=before.end, end=offset), reason=self._hole)
        self._hole = "missing"
        looks = [
            Sampled(
                at=offset + frame.at,
                values=frame.values,
                medium=frame.medium,
                moving=frame.burst is not None,
            )
            for frame in segment.frames
        ]
        gaps = [Gap(span=hole.span.shifted(offset), reason=hole.reason) for hole in segment.unseen]
        inside: list[Sampled | Gap] = [*gaps, *looks]
        yield from sorted(inside, key=lambda observation: observation.at)

    def _fold(self, observation: Observation) -> Iterator[Said]:
        self._risk, events = advance(self._risk, observation, self._policies)
        for event in events:
            if isinstance(event, Closed) and not event.incident.shadow:
                self._flagged.update(event.incident.labels)
            yield event
        if isinstance(observation, Sampled) and self._on_look is not None:
            self._on_look(self._risk)

    def _gaps(self, *, final: bool = False) -> Iterator[GapLine]:
        coverage, stretches = self._risk.coverage.drain()
        for stretch in (*stretches, *coverage.recent) if final else stretches:
            if isinstance(stretch, Unseen):
                span = stretch.span
                yield GapLine(
                    path=self._path,
                    start=float(span.start),
                    end=float(span.end),
                    reason=stretch.reason,
                )
        self._risk = replace(self._risk, coverage=coverage)

    def _counted(self, line: FrameLine) -> FrameLine:
        """The same line, once the summary knows of it."""
        self._frames += 1
        for label, value in line.scores.items():
            self._peaks[label] = max(value, self._peaks.get(label, 0.0))
        return line

    def _frame_line(
        self, segment: ScoredSegment, frame: ScoredFrame, offset: Fraction
    ) -> FrameLine:
        return FrameLine(
            path=self._path,
            sequence=segment.key.sequence,
            at=float(offset + frame.at),
            pts=frame.pts,
            time_base=str(segment.times.time_base),
            scores={str(label): value for label, value in frame.values.items()},
            medium={medium.value: share for medium, share in frame.medium.items()},
            models=tuple(str(scores.model) for scores in frame.scores),
            burst=_burst(frame, offset),
            superseded={str(label): value for label, value in frame.superseded_values.items()},
            shadow={
                str(scores.model): {str(k): v for k, v in scores.shadow.items()}
                for scores in frame.scores
                if scores.shadow
            },
        )

    def _peak_risk(self, label: Label, state: LabelRisk) -> float:
        """What is not known is as likely as ever: the prior, and never zero."""
        known = state.peak_level is not None
        return (
            state.peak_risk
            if known
            else max(state.peak_risk, self._policies.labels[label].risk(None))
        )

    def _summary(self) -> SummaryLine:
        still = self._still is not None
        coverage = self._risk.coverage
        labels = {} if still else self._risk.labels
        shares = self._still.medium if self._still is not None else coverage.medium_share
        return SummaryLine(
            path=self._path,
            duration=0.0 if still else float(self._tail.end),
            frames=self._frames,
            medium={medium.value: share for medium, share in shares.items()},
            coverage=1.0 if still else coverage.share(self._tail.end),
            peak_risk={
                str(label): self._peak_risk(label, state) for label, state in labels.items()
            },
            peak_level={str(label): state.peak_level for label, state in labels.items()},
            peak_score=dict(self._peaks),
            flagged=tuple(sorted(self._flagged)),
        )


def _burst(frame: ScoredFrame, offset: Fraction) -> Mapping[str, float] | None:
    if frame.burst is None or frame.start is None:
        return None
    return {
        "frames": frame.burst.frames,
        "rate": frame.burst.rate,
        "start": float(offset + frame.start),
    }
