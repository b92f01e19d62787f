"""Every limit can be set in a file and in the environment, and says so in a line of its own when it
is met."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from samples.facts import SampleFile
from samples.make_media import make_playlists
from scanner.cli.app import run
from scanner.media.limits import MediaLimits
from scanner.sandbox.limits import SandboxLimits
from scanner.settings.sections import Settings
from scanner.sources.limits import FetchLimits

Media = Callable[[str], SampleFile]
Tell = Callable[..., tuple[int, list[dict[str, Any]], str]]

MET = [
    ("limits.max_bytes", "1000", "ts_h264", "limit_bytes"),
    ("limits.max_still_bytes", "100", "jpeg_420", "limit_bytes"),
    ("limits.max_duration", "1.5", "mp4_h264", "limit_duration"),
    ("limits.max_pixels", "1000", "mkv_h264", "limit_pixels"),
    ("limits.max_frames", "1", "webm_vp9", "limit_frames"),
    ("limits.max_tracks", "1", "mp4_with_sound", "limit_tracks"),
    ("limits.probe_seconds", "1e-9", "mp4_h264", "limit_probe_time"),
    ("sandbox.memory_bytes", "1000", "ts_h264", "limit_memory"),
    ("sandbox.cpu_seconds", "0.001", "ts_long_gop", "limit_cpu"),
    ("sandbox.buffer_bytes", "1000", "ts_h264", "limit_frames"),
    ("fetch.playlist_bytes", "10", "hls_ts", "limit_bytes"),
    ("fetch.line_bytes", "5", "hls_ts", "limit_bytes"),
    ("fetch.segments", "2", "hls_ts", "limit_segments"),
    ("fetch.segment_bytes", "2", "hls_byte_ranges", "limit_bytes"),
    ("fetch.stream_seconds", "1e-9", "hls_ts", "limit_time"),
]
"""The setting, a value and a sample that meet the limit, and the kind that must be reported."""
ELSEWHERE = {
    "limits": {"max_errors", "max_gop_bytes"},  # they bound work and refuse nothing
    "sandbox": {
        "wall_seconds",
        "write_cpu_seconds",
        "write_wall_seconds",
        "output_bytes",
        "start_seconds",
        "max_tasks",
        "max_children",
        "large_memory_bytes",
        "idle_bytes",
        "idle_seconds",
        "source_seconds",
    },  # tests/sandbox
    "fetch": {
        "idle_seconds",
        "request_seconds",
        "attempts",
        "stale_seconds",
        "variant_height",
        "concurrent_sources",
        "addresses",
        "playlist_lines",
        "parse_seconds",
    },  # of servers: tests/sources
}
"""Limits that no scan of a file meets."""


@pytest.fixture
def tell(
    tmp_path: Path,
    sample_media: Media,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Tell:
    """Scans a sample with one setting, from a file or from the environment: status, lines, and what
    was said on stderr."""

    def scan(
        setting: str, value: str, sample: str, *, by: str
    ) -> tuple[int, list[dict[str, Any]], str]:
        section, key = setting.split(".")
        arguments = ["scan", "--json", str(_path(sample, tmp_path, sample_media))]
        if by == "file":
            (tmp_path / "s.toml").write_text(f"[{section}]\n{key} = {value}\n")
            arguments += ["--config", str(tmp_path / "s.toml")]
        else:
            monkeypatch.setenv(f"STREAMWARDEN_{section.upper()}__{key.upper()}", value)
        monkeypatch.setenv("STREAMWARDEN_MODELS__NAMES", "[]")
        monkeypatch.setenv(
            "STREAMWARDEN_SAMPLING__MIN_GAP", "0.01"
        )  # work enough for any limit on it
        monkeypatch.setenv("STREAMWARDEN_SAMPLING__MAX_GAP", "0.01")
        status = run(arguments)
        said = capsys.readouterr()
        return status, [json.loads(row) for row in said.out.splitlines()], said.err

    return scan


def _path(sample: str, folder: Path, sample_media: Media) -> Path:
    if sample.startswith("hls_"):
        return make_playlists(folder / "playlists", [sample])[sample].path
    return sample_media(sample).path


@pytest.mark.parametrize("by", ["file", "environment"])
@pytest.mark.parametrize(
    ("setting", "value", "sample", "kind"), MET, ids=[setting for setting, *_ in MET]
)
def test_a_limit_that_is_met_is_an_error_of_its_own_kind(
    setting: str, value: str, sample: str, kind: str, by: str, tell: Tell
) -> None:
    status, lines, err = tell(setting, value, sample, by=by)

    errors = [line for line in lines if line["type"] == "error"]
    assert status == 1
    assert {line["kind"] for line in errors} == {kind}
    assert all(
        Path(line["path"]).name.split(".")[0] in line["message"] or "hls" in line["message"]
        for line in errors
    )
    assert "Traceback" not in err


def test_no_limit_is_forgotten_here() -> None:
    told = {setting for setting, *_ in MET}

    for section, limits in (
        ("limits", MediaLimits),
        ("sandbox", SandboxLimits),
        ("fetch", FetchLimits),
    ):
        names = {field.name for field in fields(limits)}
        assert {name for name in names if f"{section}.{name}" not in told} == ELSEWHERE[section]
        assert section in Settings.model_fields


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e300", "inf"])
@pytest.mark.parametrize(
    "setting",
    ["sandbox.wall_seconds", "sandbox.cpu_seconds", "sandbox.start_seconds", "fetch.idle_seconds"],
)
def test_seconds_that_no_clock_has_are_told_in_one_line(
    setting: str, value: str, tell: Tell
) -> None:
    status, lines, err = tell(setting, value, "ts_h264", by="file")

    assert (status, lines) == (2, [])
    assert setting.split(".")[1] in err
    assert err.count("\n") == 1
