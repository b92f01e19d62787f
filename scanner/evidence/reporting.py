"""From what a scan said to its report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from scanner.evidence.room import EvidenceRoom
from scanner.lines import ErrorLine, GapLine, SummaryLine
from scanner.report.nouns import (
    Failure,
    ModelUsed,
    PathReport,
    PolicyUsed,
    Report,
    UncoveredCategory,
)
from scanner.risk.policy import Policies, Policy
from scanner.scan import Said
from scanner.scoring.manifest import Manifest
from scanner.scoring.onnx import select_file
from scanner.settings.policies import policy_hash
from scanner.settings.sections import Settings
from scanner.taxonomy import Taxonomy, uncovered
from scanner.types import Label, Span, Unseen

__all__ = ["Reporter"]


class Reporter:
    """Takes in a scan's lines and makes its report."""

    def __init__(self, room: EvidenceRoom) -> None:
        self._room = room
        self._summaries: dict[str, SummaryLine] = {}
        self._gaps: dict[str, list[Unseen]] = defaultdict(list)
        self._errors: dict[str, list[Failure]] = defaultdict(list)
        self._paths: dict[str, None] = {}

    def note(self, said: Said) -> None:
        """One thing that the scan said."""
        match said:
            case SummaryLine():
                self._summaries[said.path] = said
            case GapLine():
                self._gaps[said.path].append(_unseen(said))
            case ErrorLine():
                self._errors[said.path].append(Failure(kind=said.kind, message=said.message))
            case _:
                return
        self._paths[said.path] = None

    def report(
        self,
        settings: Settings,
        policies: Policies,
        manifests: Sequence[Manifest],
        *,
        version: str,
        created: str,
    ) -> Report:
        """Everything so far. ``created`` is RFC 3339 in UTC."""
        taxonomy = Taxonomy.load()
        missing = uncovered(taxonomy, policies.labels)
        by_category: dict[str, list[str]] = defaultdict(list)
        for label in missing.labels:
            by_category[taxonomy.entry(label).category].append(label)
        return Report(
            version=version,
            created=created,
            settings=_facts(settings),
            models=tuple(_model(manifest, settings) for manifest in manifests),
            policies=tuple(
                _policy(label, policies.labels[label]) for label in policies.by_severity()
            ),
            policy_version=policy_hash(policies)[:12],
            policy_sha256=policy_hash(policies),
            taxonomy_version=taxonomy.version,
            uncovered=tuple(
                UncoveredCategory(category=category, labels=tuple(labels))
                for category, labels in by_category.items()
            ),
            paths=tuple(sorted((self._path(path) for path in self._paths), key=_urgency)),
        )

    def _path(self, path: str) -> PathReport:
        told = self._summaries.get(path)
        common = PathReport(
            path=path, unseen=tuple(self._gaps[path]), errors=tuple(self._errors[path])
        )
        if told is None:
            return common
        return replace(
            common,
            duration=told.duration,
            frames=told.frames,
            coverage=told.coverage,
            picture=self._room.stills.get(path),
            incidents=tuple(self._room.findings[path]),
            timeline=tuple(self._room.timelines[path]),
            peak_risk=told.peak_risk,
            peak_level=told.peak_level,
            peak_score=told.peak_score,
            medium=told.medium,
            flagged=told.flagged,
        )


def _urgency(path: PathReport) -> tuple[int, bool]:
    """What wants a look comes first: by severity of what was flagged, then what could not be read;
    else in the scan's order."""
    severities = [finding.severity for finding in path.incidents if not finding.shadow]
    flagged = 1 + max(severities, default=0) if path.flagged else 0
    return (-flagged, not path.errors)


def _unseen(line: GapLine) -> Unseen:
    return Unseen(span=Span(start=Fraction(line.start), end=Fraction(line.end)), reason=line.reason)


def _facts(settings: Settings) -> dict[str, str | float]:
    sampling = settings.sampling
    steps = {
        "min_gap": float(sampling.min_gap),
        "max_gap": float(sampling.max_gap),
        "every": float(sampling.every),
    }
    return {
        "sampling": sampling.strategy,
        **steps,
        "window": float(settings.window),
        "provider": settings.models.provider,
    }


def _model(manifest: Manifest, settings: Settings) -> ModelUsed:
    labels = tuple(str(label) for label in manifest.scored_labels)
    used = select_file(
        manifest, provider=settings.models.provider, precision=settings.models.precision
    )
    return ModelUsed(
        name=manifest.name,
        version=manifest.version,
        sha256=used.sha256,
        labels=labels,
        licence=manifest.licence,
    )


def _policy(label: Label, policy: Policy) -> PolicyUsed:
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
        when=tuple(sorted(medium.value for medium in policy.when or ())),
    )
