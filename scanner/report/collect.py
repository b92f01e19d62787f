"""Collects the report of a scan from its events; bounded for each path, however long it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

from scanner.errors import ScannerError
from scanner.report.explanations import recorded_labels
from scanner.report.lines import failure_of, unseen_of
from scanner.report.nouns import (
    Failure,
    IncidentReport,
    ModelUsed,
    PathReport,
    PolicyUsed,
    ScanReport,
    Sheet,
    UncoveredCategory,
    Unlisted,
)
from scanner.report.overview import PathResult, result_of
from scanner.report.timeline import RiskRecorder, RiskSeries
from scanner.risk.incident import Closed
from scanner.risk.policy import Policies, Policy
from scanner.scoring.manifest import GraphFile, Manifest
from scanner.settings.policies import policy_hash
from scanner.settings.sections import Settings
from scanner.stream.events import SegmentScored, StreamEvent, StreamFinished, StreamSummary
from scanner.stream.inputs import FilesSkipped
from scanner.taxonomy import Taxonomy, uncovered
from scanner.types import Label, Unseen

__all__ = ["MOST_LISTED", "EvidenceSource", "ReportCollector", "model_used", "policy_used"]

MOST_LISTED: Final = 4096
"""Gaps, errors and incidents of one path that a report lists, of each kind; the rest is counted."""


class EvidenceSource(Protocol):
    """Hands over the evidence of incidents and still pictures, once."""

    def take_incident(self, incident_id: str) -> IncidentReport | None:
        """Return the report of an incident that closed; None where there is none."""

    def take_picture(self, path: str) -> Sheet | None:
        """Return the sheet of a flagged still picture; None where there is none."""


@dataclass(slots=True)
class _PathRecord:
    """The facts that are known of one path so far."""

    summary: StreamSummary | None = None
    unseen: list[Unseen] = field(default_factory=list)
    errors: list[Failure] = field(default_factory=list)
    incidents: list[IncidentReport] = field(default_factory=list)
    picture: Sheet | None = None
    recorder: RiskRecorder = field(default_factory=RiskRecorder)
    timeline: dict[Label, RiskSeries] = field(default_factory=dict)
    """Set when the stream has finished."""
    unlisted: Unlisted = field(default_factory=Unlisted)


class ReportCollector:
    """Takes in the events of a scan and returns its report.

    Flagged paths come first, by severity, then those with errors, those with incidents in shadow,
    those that were seen in part, and the rest. Equal ones keep the order in which they were
    reported.
    """

    def __init__(self, policies: Policies, evidence: EvidenceSource | None = None) -> None:
        """Collect with these policies; without ``evidence``, incidents have no clips and sheets."""
        self._policies = policies
        self._evidence = evidence
        self._records: dict[str, _PathRecord] = defaultdict(_PathRecord)
        self._skipped: list[FilesSkipped] = []
        self._reported: dict[str, None] = {}
        """Paths with a summary, an error or a gap, in order."""

    def receive(self, path: str, event: StreamEvent) -> None:
        """Take in one event of the stream that is named ``path``."""
        record = self._records[path]
        failure, unseen = failure_of(event), unseen_of(event)
        if failure is not None:
            self._add_failure(path, failure)
        if unseen is not None:
            self._add_unseen(path, unseen)
        match event:
            case SegmentScored():
                for at, risk in event.samples:
                    record.recorder.add(at, risk.risks(self._policies), risk.levels)
            case Closed():
                self._add_incident(record, event)
            case StreamFinished(summary=summary):
                self._finish(path, record, summary)

    def fail(self, path: str, error: ScannerError) -> None:
        """Take in that a path could not be opened, or that its source broke off."""
        self._add_failure(path, Failure(kind=error.kind, message=str(error)))

    def skip(self, skipped: FilesSkipped) -> None:
        """Take in that files of a folder are not scanned by themselves."""
        self._skipped.append(skipped)

    def report(
        self, settings: Settings, models: Sequence[ModelUsed], *, version: str, created: str
    ) -> ScanReport:
        """Return the report of everything so far, with the evidence that is there by now.

        ``created`` is RFC 3339 in UTC.
        """
        policies, taxonomy = self._policies, Taxonomy.load()
        used = tuple(policy_used(label, policies.labels[label]) for label in policies.by_severity())
        paths = (
            _path_report(path, self._with_evidence(path, self._records[path]))
            for path in self._reported
        )
        return ScanReport(
            version=version,
            created=created,
            settings=_setting_values(settings),
            models=tuple(models),
            policies=used,
            policy_version=policy_hash(policies)[:12],
            policy_sha256=policy_hash(policies),
            taxonomy_version=taxonomy.version,
            uncovered=_uncovered_categories(taxonomy, policies),
            skipped=tuple(self._skipped),
            paths=tuple(sorted(paths, key=partial(_urgency, policies=used))),
        )

    def _with_evidence(self, path: str, record: _PathRecord) -> _PathRecord:
        if self._evidence is None:
            return record
        incidents = [self._incident(self._evidence, found) for found in record.incidents]
        return replace(record, incidents=incidents, picture=self._evidence.take_picture(path))

    @staticmethod
    def _incident(evidence: EvidenceSource, found: IncidentReport) -> IncidentReport:
        made = evidence.take_incident(found.incident.id)
        return found if made is None else replace(made, closed=found.closed)

    def _add_failure(self, path: str, failure: Failure) -> None:
        record = self._records[path]
        self._reported[path] = None
        if len(record.errors) < MOST_LISTED:
            record.errors.append(failure)
            return
        record.unlisted = replace(record.unlisted, errors=record.unlisted.errors + 1)

    def _add_unseen(self, path: str, unseen: Unseen) -> None:
        record = self._records[path]
        self._reported[path] = None
        if len(record.unseen) < MOST_LISTED:
            record.unseen.append(unseen)
            return
        record.unlisted = replace(
            record.unlisted,
            gaps=record.unlisted.gaps + 1,
            gap_seconds=record.unlisted.gap_seconds + unseen.span.length,
        )

    def _add_incident(self, record: _PathRecord, closed: Closed) -> None:
        if len(record.incidents) < MOST_LISTED:
            record.incidents.append(IncidentReport(incident=closed.incident, closed=closed.at))
            return
        record.unlisted = replace(record.unlisted, incidents=record.unlisted.incidents + 1)

    def _finish(self, path: str, record: _PathRecord, summary: StreamSummary | None) -> None:
        record.timeline, record.recorder = record.recorder.series(), RiskRecorder()
        record.summary = summary
        if summary is not None:
            self._reported[path] = None


def model_used(manifest: Manifest, graph: GraphFile) -> ModelUsed:
    """Return a model as a report names it; ``graph`` is the file of it that was loaded."""
    return ModelUsed(
        name=manifest.name,
        version=manifest.version,
        sha256=graph.sha256,
        labels=tuple(str(label) for label in manifest.scored_labels),
        licence=manifest.licence,
    )


def _path_report(path: str, record: _PathRecord) -> PathReport:
    common = PathReport(
        path=path,
        unseen=tuple(record.unseen),
        errors=tuple(record.errors),
        unlisted=record.unlisted,
    )
    if record.summary is None:
        return common
    return replace(
        common,
        summary=record.summary,
        picture=record.picture,
        incidents=tuple(record.incidents),
        timeline=record.timeline,
    )


def _urgency(path: PathReport, policies: Sequence[PolicyUsed]) -> tuple[int, bool, bool, bool]:
    """Return the sort key: flagged paths by severity, then paths with errors, then those that a
    label in shadow would have flagged, then those that were seen in part, then the others."""
    severities = [found.incident.severity for found in path.incidents if not found.incident.shadow]
    severities += [one.severity for one in policies if one.label in path.summary.flagged]
    flagged = 1 + max(severities, default=0) if path.summary.flagged else 0
    recorded = recorded_labels(path, policies)
    is_clear = result_of(path) is PathResult.NOTHING
    return -flagged, not path.errors, not recorded, is_clear


def _setting_values(settings: Settings) -> dict[str, str | float]:
    sampling = settings.sampling
    return {
        "sampling": sampling.strategy,
        "min_gap": float(sampling.min_gap),
        "max_gap": float(sampling.max_gap),
        "every": float(sampling.every),
        "window": float(settings.window),
        "provider": settings.models.provider,
    }


def _uncovered_categories(taxonomy: Taxonomy, policies: Policies) -> tuple[UncoveredCategory, ...]:
    labels: dict[str, list[str]] = defaultdict(list)
    missing = uncovered(taxonomy, policies.labels)
    for label in missing.labels:
        labels[taxonomy.entry(label).category].append(label)
    return tuple(
        UncoveredCategory(
            category=category, labels=tuple(names), whole=category in missing.categories
        )
        for category, names in labels.items()
    )


def policy_used(label: Label, policy: Policy) -> PolicyUsed:
    """Return a label's policy as a report states it."""
    return PolicyUsed(
        label=label,
        category=policy.category,
        severity=policy.severity,
        open_level=policy.open,
        open_risk=policy.risk(policy.open),
        close_level=policy.close,
        dwell=float(policy.dwell),
        fitted=policy.fitted,
        shadow=policy.shadow,
        still_shadow=policy.is_still_shadow,
        when=tuple(sorted(medium.value for medium in policy.when or ())),
        still=policy.still,
        method=policy.method,
        window=float(policy.window),
        open_score=policy.score(policy.open) if policy.method == "dwell" else None,
    )
