"""With workers on Ray the program writes the lines that it writes without them, to the bit,
whatever is killed meanwhile."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from samples.facts import SampleFile
from samples.make_hostile import make_hostile
from samples.make_media import make_demo_media, make_playlists
from tests.processes import processes_below
from tests.scoring.build_onnx import tiny, tiny_burst

from .program import WITHOUT_MODELS, run, start

pytestmark = pytest.mark.ray

GOOD = (
    "ts_h264",
    "ts_jump_back",
    "ts_wrap",
    "mp4_short_gops",
    "mp4_long_gop_b_frames",
    "mkv_not_utf_8",
    "webm_vp9",
    "gif_moving",
    "jpeg_420",
)
BAD = (
    "text.mp4",
    "bomb.png",
    "cut_ts_h264_b_frames_0.5.bin",
    "damaged_avi_mpeg4_0.bin",
    "damaged_mkv_h264_2.bin",
    "many_times.mp4",
)
LONG = 900.0
"""Seconds that a scan of many files may take on a busy machine."""
PLAYLISTS = ("hls_discontinuity", "hls_wrap_inside", "hls_gap", "hls_fmp4", "hls_other_host")


@pytest.fixture(scope="module")
def paths(
    tmp_path_factory: pytest.TempPathFactory, sample_media: Callable[[str], SampleFile], card: Path
) -> list[str]:
    folder = tmp_path_factory.mktemp("workers")
    hostile = make_hostile(folder / "hostile")
    playlists = make_playlists(folder / "playlists", PLAYLISTS)
    good = [sample_media(name).path for name in GOOD]
    return [
        str(path)
        for path in (
            card,
            *good,
            *(hostile[name].path for name in BAD),
            *(made.path for made in playlists.values()),
        )
    ]


@pytest.fixture(scope="module")
def wanted(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return the lines of one process."""
    return by_path(run("scan", "--json", *paths).stdout)


def by_path(out: bytes) -> dict[str, list[str]]:
    lines = defaultdict(list)
    for row in out.decode().splitlines():
        lines[json.loads(row)["path"]].append(row)
    return dict(lines)


@pytest.mark.slow
def test_workers_say_what_one_process_says_to_the_bit(
    paths: Sequence[str], wanted: dict[str, list[str]]
) -> None:
    ended = run("scan", "--json", "--workers", "2", *paths)

    assert by_path(ended.stdout) == wanted
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
def test_workers_say_the_same_of_every_hostile_file_and_of_the_demo(tmp_path: Path) -> None:
    hostile = make_hostile(tmp_path / "hostile")
    make_demo_media(tmp_path / "demo", 12)
    given = [*(one.path for one in hostile.values()), tmp_path / "demo"]

    alone = run("scan", "--json", *given, extra=WITHOUT_MODELS, seconds=LONG)
    ended = run("scan", "--json", "--workers", "2", *given, extra=WITHOUT_MODELS, seconds=LONG)

    assert by_path(alone.stdout).keys() >= {str(one.path) for one in hostile.values()}
    assert by_path(ended.stdout) == by_path(alone.stdout)
    assert ended.returncode == alone.returncode
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
def test_workers_say_the_same_of_bursts(paths: Sequence[str], tmp_path: Path) -> None:
    tiny(tmp_path / "models" / "tiny")
    tiny_burst(tmp_path / "models" / "tiny-clip")
    config = tmp_path / "bursts.toml"
    config.write_text(
        f"[models]\ndir = {json.dumps(str(tmp_path / 'models'))}\n[bursts]\nbase_rate = 0.5\n"
    )

    alone = run("scan", "--json", "--config", config, *paths)
    ended = run("scan", "--json", "--config", config, "--workers", "2", *paths)

    assert b'"burst": {' in alone.stdout
    assert by_path(ended.stdout) == by_path(alone.stdout)
    assert b"Traceback" not in ended.stderr


@pytest.mark.fault
@pytest.mark.parametrize("victim", ["scanner.sandbox", "ray::_RemoteDecode"])
def test_a_killed_process_changes_no_line(
    victim: str, paths: Sequence[str], wanted: dict[str, list[str]]
) -> None:
    killed = False

    with start("scan", "--json", "--workers", "2", *paths) as process:
        assert process.stdout is not None
        out = b""
        for row in process.stdout:
            out += row
            if not killed and (found := next(_below(process.pid, victim), None)) is not None:
                found.kill()
                killed = True

    assert killed
    assert by_path(out) == wanted


@pytest.mark.fault
@pytest.mark.parametrize("victim", ["gcs_server", "raylet"])
def test_the_end_of_ray_is_told_with_what_was_done_and_leaves_nothing(
    victim: str, sample_media: Callable[[str], SampleFile], tmp_path: Path
) -> None:
    for number in range(1500):
        shutil.copyfile(sample_media("ts_h264").path, tmp_path / f"{number}.ts")
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))

    with start(
        "scan", "--json", "--workers", "2", tmp_path, extra={"TMPDIR": str(folder)}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        rows = [process.stdout.readline()]
        next(_below(process.pid, victim)).kill()
        rows += process.stdout.readlines()
        told = process.stderr.read()

    assert process.returncode == 1
    assert f"Ray cannot continue: its process {victim} ended".encode() in told
    assert b"Traceback" not in told
    assert {json.loads(row)["type"] for row in rows} >= {"frame", "summary"}
    assert list(folder.glob("sw-*")) == []
    shutil.rmtree(folder)


def _below(pid: int, name: str) -> Iterator[psutil.Process]:
    for process, command in processes_below(pid).items():
        if name in " ".join(command):
            yield process
