"""The library as a program sees it: light to import, and used as ``docs/library.md`` shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scanner
import workers
from samples.facts import SampleFile
from scanner.compose import scan_paths
from scanner.report.lines import FrameLine, IncidentLine, SummaryLine
from scanner.settings.sections import ModelSettings, Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "library.md"
HEAVY = ("av", "onnxruntime", "cv2", "ray", "pydantic", "numpy", "httpx", "typer")


def test_importing_the_packages_loads_nothing_heavy() -> None:
    code = f"import sys, scanner, workers; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", [scanner, workers], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package: Any) -> None:
    assert all(getattr(package, name) is not None for name in package.__all__)


@pytest.mark.parametrize("package", [scanner, workers], ids=lambda package: package.__name__)
def test_no_other_name_is_there(package: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'helpers'"):
        _ = package.helpers


def test_the_page_of_the_library_runs_from_top_to_bottom(
    tmp_path: Path,
    sample_media: Callable[[str], SampleFile],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = sample_media("ts_h264").path
    (tmp_path / "recordings").mkdir()
    shutil.copy(clip, tmp_path / "clip.mp4")
    shutil.copy(clip, tmp_path / "recordings" / "one.ts")
    (tmp_path / "streamwarden.toml").write_text("[models]\nnames = []\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMWARDEN_MODELS__NAMES", "[]")
    names: dict[str, Any] = {"pieces": [clip.read_bytes()]}

    run_examples(PAGE, names)

    told = capsys.readouterr().out
    assert "clip.mp4: 100% seen, flagged: nothing" in told
    assert "channel-7" in told
    assert {type(line) for line in names["lines"]} - {IncidentLine} == {FrameLine, SummaryLine}
    assert [*names["lines"][0].scores] == ["fire"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_path_may_be_given_without_a_list(
    kind: Callable[[Path], Any], sample_media: Callable[[str], SampleFile]
) -> None:
    path = kind(sample_media("jpeg_420").path)

    lines = list(scan_paths(path, Settings(models=ModelSettings(names=()))))

    assert {line.path for line in lines} == {str(path)}
    assert isinstance(lines[-1], SummaryLine)


def run_examples(page: Path, names: dict[str, Any]) -> None:
    """Run the Python blocks of a page one after the other, in one namespace."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
