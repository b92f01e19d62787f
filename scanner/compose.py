"""The composition root: builds a running scan from settings.

Commands, the library, the evaluation, the demo and the tests all start here, so that a setting has
the same effect everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.errors import SetupError
from scanner.media.request import DecodeRequest
from scanner.pipeline.scan import PathFailed, Scan, ScanEvent
from scanner.pipeline.worker import LocalRunner, ScoreJob, SegmentWorker, StreamWorker
from scanner.report.collect import ReportCollector, model_used
from scanner.report.lines import ErrorLine, Line, lines_of, skipped_line
from scanner.report.nouns import ModelUsed
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.manifest import Manifest
from scanner.scoring.onnx import select_file
from scanner.scoring.registry import list_models, load_scorers
from scanner.scoring.scorer import Scorer, frame_specs
from scanner.settings.policies import burst_selection, compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.sources.paths import read_sources
from scanner.stream.inputs import Arrival, FilesSkipped, Runner

if TYPE_CHECKING:
    from scanner.evidence.store import EvidenceStore

__all__ = [
    "Program",
    "RunnerFactory",
    "RunningScan",
    "WorkerParts",
    "compose",
    "decode_request",
    "event_lines",
    "load_configured_scorers",
    "local_runner",
    "open_scan",
    "open_score_job",
    "scan_lines",
    "scan_paths",
    "used_models",
    "worker_parts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Settings, and what is derived from them without starting anything."""

    settings: Settings
    manifests: tuple[Manifest, ...]
    """Manifests of the models in use, in their order."""
    policies: Policies
    """The policy of every label of these models."""


RunnerFactory = Callable[[Program, int], AbstractContextManager[Runner]]
"""Opens a runner with this many workers; the package ``workers`` has the one on Ray."""


def compose(settings: Settings, *, channel: str | None = None) -> Program:
    """Return the program that the settings describe.

    Args:
        settings: the settings of the operator.
        channel: the channel whose policies are those of all streams; None for the policies of a
            service, which tell streams apart by their channel.

    Raises:
        SetupError: a model, a manifest or a policy is not valid.
    """
    manifests = used_models(settings)
    policies = compose_policies(settings, manifests).of_channel(channel)
    return Program(settings=settings, manifests=manifests, policies=policies)


def used_models(settings: Settings) -> tuple[Manifest, ...]:
    """Return the manifests of the models that the settings name, in their order.

    Raises:
        SetupError: a manifest is not valid, or a name has no model.
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


# Parts of a worker

LoadScorers = Callable[[], Sequence[Scorer]]


def load_configured_scorers(settings: Settings) -> tuple[Scorer, ...]:
    """Load and check the scorers that the settings name.

    Raises:
        SetupError: a model is missing or does not match its manifest, or its provider does not
            work on this machine.
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


def decode_request(settings: Settings, scorers: Sequence[Scorer]) -> DecodeRequest:
    """Return the request to decode what these scorers take, with the settings' sampling and
    limits."""
    return DecodeRequest(
        specs=frame_specs(scorers),
        sampling=settings.sampling,
        limits=settings.limits,
        window=settings.window,
    )


@contextmanager
def open_score_job(
    settings: Settings, policies: Policies, load_scorers: LoadScorers
) -> Iterator[ScoreJob]:
    """Open a sandbox and yield the function that decodes and scores a job in it. What children are
    forked from gets ready while the scorers are loaded."""
    with Sandbox(settings.sandbox) as sandbox:
        sandbox.prepare()
        scorers = load_scorers()
        worker = SegmentWorker(
            sandbox,
            scorers,
            decode_request(settings, scorers),
            settings.reuse,
            burst_selection(settings),
            policies.live_labels,
        )
        yield worker.score


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """Functions that build the parts of a worker on its own machine.

    It is pickled, so it contains settings and no loaded model.
    """

    load_scorers: LoadScorers
    """Loads the models, in the process that scores."""
    open_score_job: Callable[[LoadScorers], AbstractContextManager[ScoreJob]]
    """Opens a sandbox, in the process that decodes, and loads the scorers that it is given."""
    policies: Policies
    """Policies under which streams are folded."""
    generation: int = 0
    """Number of this configuration; 0 without a journal."""


def worker_parts(program: Program, *, generation: int = 0) -> WorkerParts:
    """Return the parts of this program's workers; ``generation`` numbers the configuration."""
    return WorkerParts(
        load_scorers=partial(load_configured_scorers, program.settings),
        open_score_job=partial(open_score_job, program.settings, program.policies),
        policies=program.policies,
        generation=generation,
    )


@contextmanager
def local_runner(program: Program) -> Iterator[Runner]:
    """Open a runner that scores in this process; one child process decodes."""
    parts = worker_parts(program)
    with parts.open_score_job(parts.load_scorers) as score:
        yield LocalRunner(StreamWorker(score, program.policies))


# Scans


class RunningScan:
    """A scan in progress: iterate over it for its events and lines, then write its report.

    A program that may be interrupted iterates over ``events`` and calls ``receive`` for each, so
    that it knows where it is; then it ends the streams with ``end_interrupted``.
    """

    def __init__(
        self,
        program: Program,
        events: Scan,
        *,
        folder: Path | None = None,
        evidence: EvidenceStore | None = None,
    ) -> None:
        self._program = program
        self.events = events
        """The events of the scan, to be passed to ``receive``."""
        self._folder = folder
        self._evidence = evidence
        self._report = ReportCollector(program.policies, evidence)

    def __iter__(self) -> Iterator[tuple[ScanEvent, tuple[Line, ...]]]:
        """Yield each event with its lines of ``scan --json``."""
        for event in self.events:
            yield event, self.receive(event)

    def receive(self, event: ScanEvent) -> tuple[Line, ...]:
        """Take an event into evidence and report, and return its lines of ``scan --json``."""
        clip = None if self._evidence is None else self._evidence.receive(event)
        if self._folder is not None:
            self._collect(event)
        return tuple(event_lines(event, clip=clip))

    def end_interrupted(self) -> Iterator[tuple[ScanEvent, tuple[Line, ...]]]:
        """Yield what ends each stream where it is; for a scan whose iteration was broken off."""
        for event in self.events.end_interrupted(self._program.policies):
            yield event, self.receive(event)

    @property
    def earlier_report(self) -> Path | None:
        """The folder to which the report of an earlier scan was moved; None if there was none."""
        return None if self._evidence is None else self._evidence.earlier

    def write_report(self) -> Path | None:
        """Write the report of everything so far and return its page, or None without ``out``.

        Clips and sheets that are not made yet are waited for, up to ``evidence.finish_seconds``.

        Raises:
            SetupError: it cannot be written.
        """
        if self._folder is None:
            return None
        if self._evidence is not None:
            self._evidence.finish()
        settings = self._program.settings
        models = [_model_used(manifest, settings) for manifest in self._program.manifests]
        created = datetime.now(UTC).isoformat(timespec="seconds")
        report = self._report.report(
            settings, models, version=version("streamwarden"), created=created
        )
        from scanner.report.page import write_report  # with a template engine

        try:
            return write_report(report, self._folder)
        except OSError as error:
            where = error.filename or self._folder
            raise SetupError(f"{where}: cannot be written: {error.strerror}") from error

    def _collect(self, event: ScanEvent) -> None:
        match event.event:
            case PathFailed(error=error):
                self._report.fail(event.path, error)
            case FilesSkipped() as skipped:
                self._report.skip(skipped)
            case stream_event:
                self._report.receive(event.path, stream_event)


def _model_used(manifest: Manifest, settings: Settings) -> ModelUsed:
    provider, precision = settings.models.provider, settings.models.precision
    return model_used(manifest, select_file(manifest, provider=provider, precision=precision))


@contextmanager
def open_scan(
    program: Program,
    arrivals: Iterable[Arrival],
    runner: Runner,
    *,
    out: Path | None = None,
) -> Iterator[RunningScan]:
    """Open a scan of everything that arrives; with ``out``, clips and a report go there.

    Raises:
        SetupError: ``out`` cannot be written to, or another scan writes to it.
    """
    events = Scan(arrivals, runner, missing_after=program.settings.stream.missing_after)
    if out is None:
        yield RunningScan(program, events)
        return
    from scanner.evidence.store import open_evidence  # with FFmpeg and OpenCV, for pictures

    with open_evidence(out, program.settings, program.policies) as evidence:
        yield RunningScan(program, events, folder=out, evidence=evidence)


def event_lines(event: ScanEvent, *, clip: str | None = None) -> Iterator[Line]:
    """Yield the lines of ``scan --json`` for an event."""
    match event.event:
        case PathFailed(error=error):
            yield ErrorLine(path=event.path, kind=error.kind, message=str(error))
        case FilesSkipped() as skipped:
            yield skipped_line(skipped)
        case stream_event:
            yield from lines_of(event.path, stream_event, clip=clip)


def scan_lines(program: Program, arrivals: Iterable[Arrival], runner: Runner) -> Iterator[Line]:
    """Yield the lines of everything that arrives, without evidence."""
    with open_scan(program, arrivals, runner) as running:
        for _, lines in running:
            yield from lines


def scan_paths(
    paths: Iterable[str | PathLike[str]] | PathLike[str],
    settings: Settings | None = None,
    *,
    out: str | PathLike[str] | None = None,
) -> Iterator[Line]:
    """Scan files, folders, stills, playlists and addresses of playlists in this process and one
    child process that decodes. One path may be given without a list.

    Lines come as soon as they are known, those of one path in order, with its ``SummaryLine`` last.
    A path that cannot be read gives an ``ErrorLine``, and the others continue. The child ends with
    the iterator. Without ``settings``, those of the environment apply. With ``out``, a report with
    clips is in that folder when the iterator is exhausted.

    Raises:
        SetupError: a setting, a model or this machine does not fit; raised when the first line is
            requested.
    """
    program = compose(read_settings() if settings is None else settings)
    folder = None if out is None else Path(out)
    several = [paths] if isinstance(paths, str | PathLike) else paths
    with (
        read_sources((fspath(path) for path in several), program.settings.fetch) as arrivals,
        local_runner(program) as runner,
        open_scan(program, arrivals, runner, out=folder) as running,
    ):
        for _, lines in running:
            yield from lines
        running.write_report()
