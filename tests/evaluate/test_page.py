from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import cache
from html.parser import HTMLParser

from markupsafe import Markup

from scanner.evaluate.evaluation import Evaluation, Subject, evaluate, to_json
from scanner.evaluate.page import PageSection, to_page
from scanner.evaluate.properties import MediaProperties
from tests.evaluate.build import row, scored

HOSTILE = "<script>alert('x')</script>\u202e"
VOID = {"meta", "link", "br"}
DAY = MediaProperties(luma=120.0, width=640, height=360, container="mp4", codec="h264", still=False)


@cache
def measured(word: str = "night") -> Evaluation:
    guns = [
        scored(
            row(f"gun {i}", label="1", slices=frozenset({word}) if i < 11 else frozenset()),
            gun=0.5 + i / 60,
        )
        for i in range(24)
    ]
    none = [scored(row(f"none {i}", label="0"), gun=0.3 + i / 60) for i in range(24)]
    changed = [
        scored(one.row, change, gun=one.scores["gun"])
        for change in ("", word)
        for one in (*guns, *none)
    ]
    subject = Subject(models=(word,), manifest=word, rows=48, failed=1, held_out=False, sampled=24)
    return evaluate(subject, [*guns, *none], changed, {one.row.key: DAY for one in guns}, rounds=20)


class Balance(HTMLParser):
    """Counts what is opened and not closed, and all that could load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "img", "iframe", "object", "link", "form"} or any(
            name in {"src", "style"} or name[:2] == "on" for name, _ in attrs
        ):
            self.active.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> Balance:
    balance = Balance()
    balance.feed(page)
    balance.close()
    return balance


def test_the_page_is_well_formed_and_loads_or_runs_nothing() -> None:
    balance = checked(to_page(measured()))

    assert balance.open == []
    assert balance.active == []


def test_names_from_outside_are_escaped_in_the_page() -> None:
    page = to_page(measured(HOSTILE))

    assert checked(page).active == []
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_only_the_pages_own_style_is_allowed() -> None:
    page = to_page(measured())

    style = page[page.index("<style>") + len("<style>") : page.index("</style>")]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert f"sha256-{b64encode(hashlib.sha256(style.encode()).digest()).decode()}" in policy[
        1
    ].replace("&#43;", "+")
    assert "default-src &#39;none&#39;" in policy[1]


def test_the_page_has_every_part_and_additional_sections() -> None:
    page = to_page(
        measured(), [PageSection(title="On streams & live", body=Markup("<p>a curve</p>"))]
    )

    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Quality",
        "Found against falsely flagged",
        "Reliability",
        "Thresholds for stated false positives",
        "Robustness",
        "Slices",
        "On streams &amp; live",
    ]
    assert "At most 24 rows of each task and label" in page
    assert "1 more could not be read" in page


def test_an_empty_evaluation_has_a_page() -> None:
    subject = Subject(models=("m",), manifest="m.csv", rows=0, failed=0, held_out=True)

    assert "No task has rows on both sides" in to_page(evaluate(subject, []))


def test_json_has_null_for_what_could_not_be_measured() -> None:
    document = to_json(measured())

    one_group = next(one for one in document["reliability"][0]["bins"] if one["count"] == 0)
    assert one_group["share"] is None
    assert {
        "results",
        "thresholds",
        "reliability",
        "robustness",
        "slices",
        "sampled",
        "held_out",
    } <= document.keys()
