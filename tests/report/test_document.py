"""The JSON report satisfies its schema and loses no peak."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scanner.report.document import SCHEMA, load_schema, to_document
from scanner.report.nouns import Clip, Unlisted
from scanner.report.page import write_report
from scanner.report.reasons import GAP_REASONS
from scanner.report.timeline import MOST_POINTS, RiskSeries
from scanner.types import Span
from tests.report.example import FIRE, HOSTILE, SEEN, make_report, with_path

LONG = RiskSeries(
    at=tuple(at / 2 for at in range(7200)),
    risk=tuple((at * 7919 % 10_007) / 10_007 for at in range(7200)),
    level=tuple(float(at) for at in range(7200)),
)


def test_a_report_satisfies_its_schema() -> None:
    Draft202012Validator.check_schema(load_schema())

    Draft202012Validator(load_schema()).validate(to_document(make_report()))

    assert to_document(make_report())["schema"] == SCHEMA


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
def test_the_schema_refuses_a_document_that_is_not_a_report(spoil: Any) -> None:
    document = to_document(make_report())

    spoil(document)

    assert not Draft202012Validator(load_schema()).is_valid(document)


def test_risk_is_an_order_until_every_policy_is_fitted() -> None:
    before = make_report()
    after = replace(
        before, policies=tuple(replace(policy, fitted=True) for policy in before.policies)
    )

    assert to_document(before)["risk_is"] == "order"
    assert to_document(after)["risk_is"] == "probability"


def test_an_hour_of_risk_is_thinned_and_keeps_its_peak_at_its_time() -> None:
    document = to_document(with_path(replace(SEEN, timeline={FIRE: LONG})))

    shown = document["paths"][0]["timeline"]["fire"]
    peak = LONG.risk.index(max(LONG.risk))
    assert len(shown["at"]) == len(shown["risk"]) == len(shown["level"]) <= MOST_POINTS
    assert (LONG.at[peak], round(LONG.risk[peak], 6)) in zip(
        shown["at"], shown["risk"], strict=True
    )
    assert (shown["at"][0], shown["at"][-1]) == (LONG.at[0], LONG.at[-1])


def test_what_a_path_has_too_much_of_is_counted() -> None:
    unlisted = Unlisted(gaps=3, gap_seconds=Fraction(5, 2), errors=1)

    document = to_document(with_path(replace(SEEN, unlisted=unlisted)))

    assert document["paths"][0]["unlisted"] == {
        "unseen": 3,
        "unseen_seconds": 2.5,
        "errors": 1,
        "incidents": 0,
    }
    Draft202012Validator(load_schema()).validate(document)


def test_files_are_written_beside_each_other_and_in_ascii(tmp_path: Path) -> None:
    page = write_report(make_report(), tmp_path / "out")

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
def test_evidence_has_a_plain_name_beside_the_report(name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        Clip(file=name, span=Span(start=Fraction(0), end=Fraction(1)))


def test_spans_that_were_not_seen_have_their_reasons() -> None:
    document = to_document(make_report())

    (gap,) = document["paths"][0]["unseen"]
    assert (gap["start"], gap["end"], gap["reason"]) == (40.0, 46.0, "missing")
    assert gap["message"] == GAP_REASONS["missing"]


def test_the_document_has_what_the_page_says() -> None:
    document = to_document(make_report())

    assert document["summary"]["text"].startswith("1 of 4 paths flagged; ")
    assert [path["result"] for path in document["paths"]] == [
        "flagged",
        "unread",
        "partly",
        "nothing",
    ]
    fire = document["paths"][0]["labels"][0]
    assert (fire["label"], fire["outcome"], fire["incidents"]) == ("fire", "flagged", [1])
    assert fire["text"].startswith("Flagged: ")
    assert document["paths"][3]["still"]
