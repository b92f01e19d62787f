"""Jobs in, outcomes out: how one source becomes scored segments, whoever runs it.

``SegmentWorker`` is the whole work on one source in one process: decode in a disposable child,
score here. ``LocalRunner`` runs it in line; ``workers`` runs the same one inside Ray actors, so
both say the same to the bit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from scanner.errors import DecoderDiedError, InputError, QuarantinedError, SetupError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.sandbox.sandbox import Sandbox, Windows
from scanner.scoring.bursts import burst_gates, merge_bursts, wants_bursts
from scanner.scoring.manifest import Manifest
from scanner.scoring.options import BurstSelection, Reuse
from scanner.scoring.registry import list_models, load_scorers
from scanner.scoring.scorer import Scorer, frame_specs, is_burst_scorer
from scanner.scoring.segment import (
    score_bursts,
    score_samples,
    separate_shadow,
    shadowed_labels,
)
from scanner.settings.policies import burst_selection
from scanner.settings.sections import Settings
from scanner.types import ScoredFrame, ScoredSegment, Segment, SegmentKey

__all__ = [
    "Failed",
    "Finished",
    "Job",
    "LocalRunner",
    "Outcome",
    "Runner",
    "SegmentWorker",
    "configured_scorers",
    "decode_request",
    "local_runner",
    "open_worker",
    "used_models",
]

log = logging.getLogger(__name__)

TRIES: Final = 2
"""Of a window whose decoder died; the second death is its own fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One source to be decoded and scored."""

    segment: Segment
    """Its key has the sequence of the source's first window."""
    name: str
    """What messages call it."""
    windowed: bool
    """A file, cut at keyframes into windows that are each a segment; otherwise one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A segment that will not be scored, and why."""

    key: SegmentKey
    name: str
    error: InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """All that there is of a job has been said."""

    key: SegmentKey
    """Of the job's segment."""


Outcome = ScoredSegment | Failed | Finished


class Runner(Protocol):
    """Runs jobs somewhere.

    Outcomes of one stream come in the order of its jobs, and those of a job end with its
    ``Finished``; streams may mix. Jobs are pulled only as there is room for them, so an endless or
    live-paced iterable is fine.
    """

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Each outcome once."""


class SegmentWorker:
    """Decodes and scores one job after another.

    Owns nothing: its sandbox and scorers are closed by who made them.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        scorers: Sequence[Scorer],
        request: DecodeRequest,
        reuse: Reuse,
        motion: BurstSelection | None = None,
    ) -> None:
        """``request`` asks for all that the scorers look at; ``motion`` says which segments those
        of bursts are asked of.

        Raises:
            SetupError: a scorer wants to look at frames and at bursts.
        """
        self._sandbox = sandbox
        self._frames = tuple(scorer for scorer in scorers if not is_burst_scorer(scorer))
        self._bursts = tuple(scorer for scorer in scorers if is_burst_scorer(scorer))
        self._asides = shadowed_labels(scorers)
        for scorer in self._bursts:
            self._warn_of_shut_gates(scorer, motion or BurstSelection())
        self._request = request
        self._reuse = reuse
        self._motion = motion or BurstSelection()

    def work(self, job: Job, *, first_window: int = 0) -> Iterator[Outcome]:
        """The job's scored segments from ``first_window`` on, and what failed of it.

        A decoder that dies is tried once more from the window that it died on. One that dies on it
        again quarantines that window; the next one is tried, and if the decoder dies there at once
        too, the source is given up.
        """
        at, deaths = first_window, 0
        quarantined: int | None = None
        while True:
            try:
                windows = self._decode(job, first_window=at, again=deaths > 0)
                for decoded in windows:
                    yield self._score(job, decoded, windows)
                    at, deaths = decoded.index + 1, 0
                break
            except DecoderDiedError as why:
                deaths += 1
                log.warning(
                    "decoder died", extra={"source": job.name, "window": at, "kind": why.kind}
                )
                if deaths < TRIES and quarantined != at - 1:
                    continue
                yield self._failed(job, at, QuarantinedError(f"{why} (set aside)", kind=why.kind))
                if quarantined == at - 1 or not job.windowed:
                    break
                quarantined, at, deaths = at, at + 1, 0
            except InputError as why:
                yield self._failed(job, at, why)
                break
        yield Finished(key=job.segment.key)

    def _decode(self, job: Job, *, first_window: int, again: bool) -> Windows:
        window = self._request.window if job.windowed else None
        request = replace(
            self._request, first_window=first_window, window=window, second_sample=job.windowed
        )
        return self._sandbox.decode(
            job.segment.source, request, name=job.name, init=job.segment.init, ahead=not again
        )

    def _score(self, job: Job, decoded: DecodedWindow, windows: Windows) -> ScoredSegment:
        first = job.segment.key
        key = SegmentKey(stream_id=first.stream_id, sequence=first.sequence + decoded.index)
        return ScoredSegment(
            key=key,
            times=decoded.times,
            frames=self._looked_at(key, decoded, windows),
            unseen=decoded.unseen,
            info=decoded.info,
            begins=decoded.begins,
            discontinuity=decoded.discontinuity
            or (job.segment.discontinuity and decoded.index == 0),
            last=job.windowed and decoded.last,
        )

    def _looked_at(
        self, key: SegmentKey, decoded: DecodedWindow, windows: Windows
    ) -> tuple[ScoredFrame, ...]:
        """The segment's frames and, by the burst scorers whose gate it opens, its bursts."""
        frames = separate_shadow(
            score_samples(self._frames, decoded.samples, reuse=self._reuse), self._asides
        )
        asked = [
            scorer
            for scorer in self._bursts
            if wants_bursts(frames, key, burst_gates(scorer, self._motion), self._motion.base_rate)
        ]
        if not asked:
            return frames
        bursts = separate_shadow(score_bursts(asked, windows.bursts()), self._asides)
        return merge_bursts(frames, bursts)

    def _warn_of_shut_gates(self, scorer: Scorer, motion: BurstSelection) -> None:
        known = {label for frames in self._frames for label in frames.labels}
        for gate in burst_gates(scorer, motion):
            if gate.label not in known:
                log.warning(
                    "gate never opens: no model of frames says its label",
                    extra={"model": str(scorer.model), "label": gate.label},
                )

    @staticmethod
    def _failed(job: Job, window: int, error: InputError) -> Failed:
        first = job.segment.key
        return Failed(
            key=replace(first, sequence=first.sequence + window), name=job.name, error=error
        )


class LocalRunner:
    """Runs jobs one after another in this process."""

    def __init__(self, worker: SegmentWorker) -> None:
        self._worker = worker

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Each job's outcomes before the next job is pulled."""
        for job in jobs:
            yield from self._worker.work(job)


def decode_request(settings: Settings, scorers: Sequence[Scorer]) -> DecodeRequest:
    """What these scorers need to see, sampled and limited as the settings say."""
    return DecodeRequest(
        specs=frame_specs(scorers),
        sampling=settings.sampling,
        limits=settings.limits,
        window=settings.window,
    )


def configured_scorers(settings: Settings) -> tuple[Scorer, ...]:
    """The scorers that the settings name, loaded and checked.

    Raises:
        SetupError: a model is missing or is not what its manifest says, or its provider does not
            work here.
    """
    models = settings.models
    return load_scorers(
        models.dir,
        models.names,
        added=models.added_dir,
        provider=models.provider,
        precision=models.precision,
        threads=models.threads,
    )


def used_models(settings: Settings) -> tuple[Manifest, ...]:
    """The manifests of the models that the settings name, in their order.

    Raises:
        SetupError: a manifest is wrong, or a name has no model.
    """
    found = {
        manifest.name: manifest
        for manifest in list_models(settings.models.dir, added=settings.models.added_dir)
    }
    names = found if settings.models.names is None else settings.models.names
    if missing := [name for name in names if name not in found]:
        raise SetupError(
            f"models.names: no model {missing[0]!r}; there are {', '.join(found) or 'none'}"
        )
    return tuple(found[name] for name in names)


@contextmanager
def open_worker(settings: Settings, scorers: Sequence[Scorer]) -> Iterator[SegmentWorker]:
    """A worker with a sandbox of its own, closed at the end."""
    with Sandbox(settings.sandbox) as sandbox:
        yield SegmentWorker(
            sandbox,
            scorers,
            decode_request(settings, scorers),
            settings.reuse,
            burst_selection(settings),
        )


@contextmanager
def local_runner(settings: Settings) -> Iterator[Runner]:
    """Everything in line: this process scores, one child decodes."""
    with open_worker(settings, configured_scorers(settings)) as worker:
        yield LocalRunner(worker)
