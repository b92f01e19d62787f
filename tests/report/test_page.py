"""The page needs no network, runs no foreign script, and shows no sharp picture by itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scanner.report.chart import MOST_MARKS, _clock_marks, height_of, make_chart
from scanner.report.nouns import PathReport, Unlisted
from scanner.report.page import REASONS, THRESHOLDS, to_page
from scanner.report.timeline import RiskSeries
from scanner.risk.incident import Reason
from scanner.stream.inputs import FilesSkipped
from scanner.types import Label
from tests.report.example import (
    FIRE,
    GUN,
    HOSTILE,
    POLICY,
    SEEN,
    make_report,
    with_path,
    with_summary,
)

ROOT = Path(__file__).resolve().parents[2]
HAIL = Label("hail")

VOID = frozenset({"wbr", "meta", "img", "br", "link", "input", "hr"})
LINKS = frozenset(
    {
        "src",
        "href",
        "poster",
        "data-sharp",
        "data-blurred",
        "action",
        "srcset",
        "data",
        "formaction",
    }
)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """The elements of a page, with the text directly in them; tags that are not closed in order
    fail."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(
            tag,
            {name: value or "" for name, value in attrs},
            inside=[outer.tag for outer in self._open],
        )
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    @property
    def text(self) -> str:
        return "".join(
            element.text for element in self.elements if element.tag not in {"script", "style"}
        )

    @property
    def links(self) -> Iterator[str]:
        return (
            value
            for element in self.elements
            for name, value in element.attributes.items()
            if name in LINKS
        )


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(to_page(make_report()))


def test_every_link_stays_within_the_page_or_beside_it(page: Page) -> None:
    assert all(
        re.fullmatch(r"#[a-z0-9-]+|(clips|sheets)/[\w.-]+|report\.json", link)
        for link in page.links
    )


def test_nothing_is_fetched_by_style_or_script() -> None:
    html = to_page(make_report())

    assert not re.search(
        r"https?:|//[a-z]|@import|url\((?!#)|fetch\(|XMLHttpRequest|import\(", html
    )


def test_the_policy_of_the_page_allows_its_own_script_and_style_and_no_other(page: Page) -> None:
    (security,) = (
        m.attributes["content"]
        for m in page.all("meta")
        if m.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    allowed = dict(part.split(" ", 1) for part in security.split("; "))
    (script,), (style,) = page.all("script"), page.all("style")

    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == f"'sha256-{digest(script.text)}'"
    assert allowed["style-src"] == f"'sha256-{digest(style.text)}'"
    assert "unsafe" not in security


def test_no_element_has_a_style_or_a_handler_of_its_own(page: Page) -> None:
    names = {name for element in page.elements for name in element.attributes}

    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}


def test_a_hostile_name_is_text_and_nothing_else(page: Page) -> None:
    assert len(page.all("script")) == 1
    assert not [image for image in page.all("img") if image.attributes["src"] == "x"]
    assert (
        "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>"
        "\\u202egpj.\\udce4\\u001b[2J{{ 7*7 }}.mp4" in page.text
    )


def test_no_character_turns_the_reading_direction_or_is_invisible() -> None:
    html = to_page(make_report())

    assert HOSTILE not in html
    assert not re.search(
        "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
        html,
    )
    assert html.encode()


def test_pictures_are_blurred_until_clicked(page: Page) -> None:
    (button,) = (b for b in page.all("button") if "sheet" in b.attributes.get("class", ""))
    (video,) = page.all("video")

    assert [image.attributes["src"] for image in page.all("img")] == ["sheets/3f9c_blurred.jpg"]
    assert button.attributes["data-sharp"] == "sheets/3f9c.jpg"
    assert button.attributes["aria-pressed"] == "false"
    assert video.attributes["poster"].endswith("_blurred.jpg")
    assert video.attributes["preload"] == "none"
    assert "autoplay" not in video.attributes


def test_every_control_is_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    assert all(
        element.tag in {"button", "summary", "a", "video"}
        for element in page.elements
        if "tabindex" in element.attributes
    )
    assert all(image.attributes["alt"] for image in page.all("img"))
    assert all(video.attributes["aria-label"] for video in page.all("video"))
    assert all(
        plot.attributes["aria-label"]
        for plot in page.all("svg")
        if plot.attributes.get("role") == "img"
    )
    assert page.all("html")[0].attributes["lang"] == "en"


def test_the_page_says_that_risk_is_a_ranking_until_it_is_fitted(page: Page) -> None:
    fitted = replace(
        make_report(),
        policies=tuple(replace(policy, fitted=True) for policy in make_report().policies),
    )

    assert "a ranking, not a probability" in page.text
    assert "a ranking, not a probability" not in Page(to_page(fitted)).text


def test_what_was_not_looked_for_and_what_is_in_shadow_comes_before_any_result() -> None:
    report = replace(
        make_report(),
        policies=(POLICY, replace(POLICY, label="smoke", shadow=True, still_shadow=True)),
    )

    html = to_page(report)

    first_tick = html.index('class="badge')
    assert html.index("Not looked for</dt><dd>self_harm") < first_tick
    assert html.index("Only recorded</dt><dd>smoke") < first_tick


def test_each_label_has_a_sentence(page: Page) -> None:
    assert "Flagged: the highest score that lasted 2.5 s on camera pictures is" in page.text
    assert "Not flagged: the score is 1\u00a0%; 90\u00a0% is needed." in page.text


def test_the_note_on_fitted_policies_is_that_of_the_readme(page: Page) -> None:
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())

    assert THRESHOLDS in page.text
    assert all(sentence in readme for sentence in THRESHOLDS.split(". "))


def test_highest_risk_is_one_number_of_a_label() -> None:
    above = with_summary(SEEN, peak_risk={**SEEN.summary.peak_risk, FIRE: 0.73})

    drawn = make_chart(above, (POLICY,))

    assert drawn is not None
    assert drawn.rows[0].peak == "73 %"


def test_the_filter_offers_groups_that_have_paths_and_hides_rows_and_sections(page: Page) -> None:
    groups = [
        b.attributes["data-group"] for b in page.all("button") if "data-group" in b.attributes
    ]
    tagged = [one for one in page.elements if "data-groups" in one.attributes]

    assert groups == ["", "flagged", "recorded", "unread", "partly", "nothing"]
    assert [one.tag for one in tagged] == ["tr"] * 4 + ["section"] * 4
    assert tagged[0].attributes["data-groups"] == "flagged recorded"


def test_a_report_of_one_path_has_no_filter() -> None:
    assert Page(to_page(with_path(SEEN))).all("input") == []


def test_low_coverage_never_reads_as_nothing_flagged() -> None:
    dark = Page(to_page(with_path(unflagged(coverage=0.3))))
    bright = Page(to_page(with_path(unflagged(coverage=1.0))))

    assert "Nothing flagged in the 30\u00a0% that was seen" in dark.text
    assert "Nothing flagged in the" not in bright.text


def test_the_page_names_spans_not_seen_and_labels_that_no_model_covers(page: Page) -> None:
    titles = [title.text for title in page.all("title")]

    assert "not seen: missing" in titles
    assert "self_harm" in page.text
    assert "cutting, noose" in page.text


def test_the_page_says_which_files_of_a_folder_were_not_scanned_and_why() -> None:
    skipped = FilesSkipped(path="<in>/", kind="other_name", files=2)

    html = to_page(replace(make_report(), skipped=(skipped,)))

    assert "2 files of <bdi>&lt;in&gt;/<wbr></bdi>: not named as media" in html


def test_models_and_policies_have_their_hashes(page: Page) -> None:
    assert make_report().models[0].sha256 in page.text
    assert make_report().policy_sha256 in page.text


def test_the_page_names_what_it_does_not_list() -> None:
    unlisted = Unlisted(gaps=7, gap_seconds=Fraction(90), errors=8, incidents=9)

    text = Page(to_page(with_path(replace(SEEN, unlisted=unlisted)))).text

    assert "7 further gaps, 1:30.0 in total, are not listed" in text
    assert "8 further errors are not listed" in text
    assert "9 further incidents are not listed" in text


def test_identities_on_the_page_are_unique(page: Page) -> None:
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]

    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(ids)


def test_labels_with_incidents_come_first_and_each_has_its_threshold() -> None:
    drawn = make_chart(SEEN, (POLICY,))

    assert drawn is not None
    assert [row.label for row in drawn.rows] == ["fire", "smoke"]
    assert [row.opens is not None for row in drawn.rows] == [True, False]
    assert drawn.unseen[0].at == pytest.approx(100 * 40 / 60, abs=1e-3)
    assert drawn.unseen[0].width == pytest.approx(10)


def test_after_an_incident_the_window_that_keeps_the_risk_high_is_drawn() -> None:
    drawn = make_chart(SEEN, (POLICY, replace(POLICY, label="gun", method="median")))

    assert drawn is not None
    (tail,) = drawn.rows[0].tails
    assert (tail.at, tail.width) == (pytest.approx(100 * 31 / 60, abs=1e-3), pytest.approx(20))
    assert tail.title == "the risk looks back 12 s, so it falls by 0:43.0"


def test_no_line_is_drawn_where_the_level_is_unknown() -> None:
    series = RiskSeries(at=(0.0, 1.0, 2.0, 3.0), risk=(0.5,) * 4, level=(1.0, None, 1.0, 1.0))
    never = replace(series, level=(None,) * 4)

    drawn = make_chart(replace(SEEN, timeline={FIRE: series, GUN: never, HAIL: never}), (POLICY,))

    assert drawn is not None
    assert {row.label: row.line for row in drawn.rows} == {
        "fire": "M0 50h0M33.3 50L50 50h0",
        "gun": "",  # it has an incident
    }
    assert drawn.unknown == ("hail",)


def test_a_path_without_a_duration_has_no_timeline() -> None:
    assert make_chart(with_summary(SEEN, duration=Fraction(0)), (POLICY,)) is None
    assert make_chart(replace(SEEN, timeline={}), (POLICY,)) is None


def test_higher_risk_is_drawn_higher() -> None:
    heights = [height_of(risk) for risk in (0.0, 0.001, 0.01, 0.5, 0.9, 1.0)]

    assert heights == sorted(heights, reverse=True)


def unflagged(coverage: float) -> PathReport:
    """Return the path without incidents, seen to this share."""
    return with_summary(replace(SEEN, incidents=()), flagged=(), coverage=coverage)


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("reason", Reason)
def test_the_page_says_in_words_why_an_incident_closed(reason: Reason) -> None:
    found = SEEN.incidents[0]
    closed = replace(found, incident=replace(found.incident, reason=reason))

    text = Page(to_page(with_path(replace(SEEN, incidents=(closed,))))).text

    assert f"Closed because{REASONS[reason]}" in re.sub(r"\s*\n\s*", "", text)


def test_the_clock_of_any_duration_has_few_marks() -> None:
    for duration in (0.5, 60.0, 86_400.0, 3e6, 2.6e10, 1e18):
        assert 1 <= len(_clock_marks(duration, 0.0)) <= MOST_MARKS + 1
