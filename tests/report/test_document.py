"""The JSON report keeps to its schema and loses no peak."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scanner.report.document import SCHEMA, schema, to_document
from scanner.report.nouns import Clip, RiskPoint
from scanner.report.thin import MOST_POINTS, series
from scanner.report.write import write_report
from tests.report.example import HOSTILE, SEEN, report, with_path

LONG = tuple(
    RiskPoint(at=at / 2, risk={"fire": (at * 7919 % 10_007) / 10_007}, level={"fire": float(at)})
    for at in range(7200)
)


def test_a_report_keeps_to_its_schema() -> None:
    Draft202012Validator.check_schema(schema())

    Draft202012Validator(schema()).validate(to_document(report()))

    assert to_document(report())["schema"] == SCHEMA


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("risk_is"),
        lambda document: document.update(schema="streamwarden-report/2"),
        lambda document: document["paths"][0].update(coverage=1.2),
        lambda document: document["paths"][0]["incidents"][0]["clips"][0].update(
            file="/etc/passwd"
        ),
        lambda document: document["paths"][0].update(unheard_of=1),
    ],
)
def test_the_schema_refuses_what_is_no_report(spoil: Any) -> None:
    document = to_document(report())

    spoil(document)

    assert not Draft202012Validator(schema()).is_valid(document)


def test_risk_is_an_order_until_every_policy_is_fitted() -> None:
    before = report()
    after = replace(
        before, policies=tuple(replace(policy, fitted=True) for policy in before.policies)
    )

    assert to_document(before)["risk_is"] == "order"
    assert to_document(after)["risk_is"] == "probability"


def test_an_hour_of_risk_is_thinned_and_keeps_its_peak_at_its_time() -> None:
    document = to_document(with_path(replace(SEEN, timeline=LONG)))

    shown = document["paths"][0]["timeline"]["fire"]
    peak = max(LONG, key=lambda point: point.risk["fire"])
    assert len(shown["at"]) == len(shown["risk"]) == len(shown["level"]) <= MOST_POINTS
    assert (peak.at, round(peak.risk["fire"], 6)) in zip(shown["at"], shown["risk"], strict=True)
    assert (shown["at"][0], shown["at"][-1]) == (LONG[0].at, LONG[-1].at)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(3, 20))
def test_thinning_keeps_order_bounds_and_the_highest(risks: list[float], most: int) -> None:
    points = [RiskPoint(at=float(at), risk={"fire": risk}) for at, risk in enumerate(risks)]

    shown = series(points, "fire", most)

    assert len(shown.at) <= max(most, 1)
    assert list(shown.at) == sorted(set(shown.at))
    assert max(shown.risk) == max(risks)
    assert all(risks[int(at)] == risk for at, risk in zip(shown.at, shown.risk, strict=True))


def test_files_are_written_beside_each_other_and_in_ascii(tmp_path: Path) -> None:
    page = write_report(report(), tmp_path / "out")

    text = (tmp_path / "out" / "report.json").read_text("ascii")
    assert page == tmp_path / "out" / "report.html"
    assert page.is_file()
    assert json.loads(text)["paths"][1]["path"] == HOSTILE
    assert text.isprintable() or set(filter(lambda c: not c.isprintable(), text)) == {"\n"}


@pytest.mark.parametrize(
    "name",
    [
        "../clip.mp4",
        "/clips/a.mp4",
        "clips/../a",
        "clips/a b.mp4",
        "clips/",
        "http://x/a.mp4",
        'clips/".mp4',
    ],
)
def test_evidence_is_named_plainly_beside_the_report(name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        Clip(file=name, start=0.0, end=1.0)


def test_a_timeline_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order of time"):
        replace(SEEN, timeline=(RiskPoint(at=2.0, risk={}), RiskPoint(at=1.0, risk={})))


def test_unseen_spans_are_told_with_their_reasons() -> None:
    document = to_document(report())

    assert document["paths"][0]["unseen"] == [
        {"start": float(Fraction(40)), "end": 46.0, "reason": "missing"}
    ]
