from __future__ import annotations

from fractions import Fraction

import pytest

from scanner.bench.cases import DEFAULT_CASES, QUICK_CASES, parse_case
from scanner.errors import SetupError


def test_a_case_says_what_is_drawn_and_which_frames_are_sampled() -> None:
    case = parse_case("hevc:720:4:every=0.5")

    assert (case.clip.codec, case.clip.width, case.clip.height) == ("hevc", 1280, 720)
    assert (case.clip.gop, case.clip.seconds) == (120, 8)
    assert (case.rule.strategy, case.rule.every) == ("every", Fraction(1, 2))


def test_cases_are_written_as_they_are_read() -> None:
    assert [parse_case(case.name) for case in DEFAULT_CASES] == list(DEFAULT_CASES)
    assert set(QUICK_CASES) < set(DEFAULT_CASES)


@pytest.mark.parametrize(
    "text", ["", "h264", "mpeg2:720:2:adaptive", "h264:721:2:adaptive", "h264:720:2:every=0"]
)
def test_a_case_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SetupError, match="such as h264:1080:2:adaptive"):
        parse_case(text)
