"""Inputs that public bug reports of players, servers and encoders describe, with right values."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from scanner.compose import scan_paths
from scanner.report.line_text import dumps
from scanner.settings.sections import ModelSettings, Settings
from tests.whole.program import WITHOUT_MODELS, run

Gap = tuple[float, float, str]
Row = Mapping[str, Any]
CLOSE: Final = 0.11
"""Seconds by which a time may differ from the rounded right value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightValues:
    """The right values of one input."""

    duration: float
    coverage: float = 1.0
    gaps: tuple[Gap, ...] = ()
    has: tuple[float, ...] = ()
    """Times of samples that there must be."""
    flagged: bool = False
    frames: int | None = None


FILES: Final = {
    "flv_seqhdr40.flv": RightValues(duration=44.2),
    "flv_card_1s.flv": RightValues(duration=13.2, flagged=True),
    "paff_fields.ts": RightValues(duration=4, frames=4, has=(0, 1, 2, 3)),
    "ir.ts": RightValues(duration=14),
    "two_card.mkv": RightValues(
        duration=20, coverage=0, gaps=((0, 10, "not_scanned"), (10, 20, "not_scanned"))
    ),
    "pidswitch.ts": RightValues(duration=20, has=(6, 8, 10, 12, 14)),
    "hole_hls/index.m3u8": RightValues(
        duration=30, coverage=1 / 3, gaps=((5, 25, "missing"),), has=(26, 28)
    ),
    "tail/index.m3u8": RightValues(duration=40, coverage=0.25, gaps=((10, 40, "missing"),)),
    "split/index.m3u8": RightValues(duration=20),
    "media/adts/lost.m3u8": RightValues(
        duration=14, coverage=6 / 7, gaps=((4, 6, "missing"),), has=(6, 8, 10, 12)
    ),
    "media/m_portrait.m3u8": RightValues(duration=40, frames=20),
    "media/td_float.m3u8": RightValues(duration=4),
}
SERVED: Final = {
    "once404": RightValues(duration=24),
    "reset": RightValues(duration=46, frames=23),
    "late404": RightValues(duration=20),
}


@pytest.fixture
def cases(shared: Path) -> Path:
    folder = shared / "cases"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    return folder


def scan(*arguments: str) -> list[Row]:
    """Return the lines of a scan that ends well, flagged or not."""
    ended = run("scan", "--json", *arguments, extra=WITHOUT_MODELS, seconds=600)
    assert ended.returncode in (0, 3), ended.stderr
    return [json.loads(row) for row in ended.stdout.splitlines()]


def assert_right(rows: list[Row], right: RightValues) -> None:
    (summary,) = (row for row in rows if row["type"] == "summary")
    gaps = [(row["start"], row["end"], row["reason"]) for row in rows if row["type"] == "gap"]
    samples = [row["at"] for row in rows if row["type"] == "frame"]

    assert summary["duration"] == pytest.approx(right.duration, abs=CLOSE)
    assert summary["coverage"] == pytest.approx(right.coverage, abs=0.01)
    assert [reason for *_, reason in gaps] == [reason for *_, reason in right.gaps]
    for (start, end, _), (right_start, right_end, _) in zip(gaps, right.gaps, strict=True):
        assert (start, end) == pytest.approx((right_start, right_end), abs=CLOSE)
    for at in right.has:
        assert min(abs(at - sample) for sample in samples) < CLOSE
    assert bool(summary["flagged"]) is right.flagged
    assert right.frames is None or summary["frames"] == right.frames
    assert not [row for row in rows if row["type"] == "error"]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FILES)
def test_the_values_of_a_case_are_right(cases: Path, name: str) -> None:
    lines = scan_paths([cases / name], Settings(models=ModelSettings(names=())))

    assert_right([json.loads(dumps(line)) for line in lines], FILES[name])


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.ray
def test_the_values_of_all_cases_are_right_on_workers(cases: Path) -> None:
    paths = {str(cases / name): right for name, right in FILES.items()}

    rows = scan("--workers", "2", *paths)

    for path, right in paths.items():
        assert_right([row for row in rows if row["path"] == path], right)


@pytest.fixture
def served(cases: Path) -> Iterator[str]:
    """Start the server of the cases, and return the address of its scenarios."""
    script = cases / "serve.py"
    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL) as server:
        yield "http://127.0.0.1:8767"
        server.kill()


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SERVED)
def test_the_values_of_a_served_case_are_right(served: str, scenario: str) -> None:
    assert_right(scan(f"{served}/{scenario}/live.m3u8"), SERVED[scenario])
