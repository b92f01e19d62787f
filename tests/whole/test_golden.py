"""Lines of the sample corpus as version 0.1 wrote them, with the test card as the only scorer.

``tests/golden/scan-0.1.jsonl`` was recorded with version 0.1; texts of messages are not compared.
It is recorded again only in a commit of its own that lists what changed and why.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from samples.make_media import make_demo_media, make_media, make_playlists
from scanner.compose import scan_paths
from scanner.report.lines import dumps
from scanner.settings.sections import ModelSettings, Settings

GOLDEN = Path(__file__).parent.parent / "golden" / "scan-0.1.jsonl"
TOLERANCE = 1e-6
"""Of scores and shares: other processors round differently."""
OUTSIDE = ("playlists/canary.ts", "playlists/hls_absolute_path/index.m3u8")
"""Paths whose lines depend on the folder that they were made in."""
Row = dict[str, Any]


def by_path(rows: Iterable[str]) -> dict[str, list[Row]]:
    """Return the lines of each path in their order, without messages."""
    found: dict[str, list[Row]] = defaultdict(list)
    for text in rows:
        row = json.loads(text)
        row.pop("message", None)
        found[row.pop("path")].append(row)
    return dict(found)


def approximately(value: Any) -> Any:
    """Return the value so that numbers inside compare with the tolerance."""
    if isinstance(value, float):
        return pytest.approx(value, abs=TOLERANCE)
    if isinstance(value, dict):
        return {key: approximately(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [approximately(inner) for inner in value]
    return value


def test_the_sample_corpus_gives_the_lines_of_version_0_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_media(tmp_path / "media")
    make_playlists(tmp_path / "playlists")
    make_demo_media(tmp_path / "demo", 12)
    monkeypatch.chdir(tmp_path)
    settings = Settings(models=ModelSettings(names=()))

    lines = scan_paths(["media", "playlists", "demo/test-card"], settings)
    found = by_path(dumps(line) for line in lines)

    expected = by_path(GOLDEN.read_text("utf-8").splitlines())
    for path in OUTSIDE:
        found.pop(path, None)
    assert found.keys() == expected.keys()
    different = [path for path in expected if found[path] != approximately(expected[path])]
    assert different == []
    assert any(row["type"] == "incident" for row in found["demo/test-card/index.m3u8"])
