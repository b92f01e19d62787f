"""The wheel, as a stranger gets it: built, put into a clean environment, and used from another
folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    ran([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT)
    (found,) = folder.glob("streamwarden-*.whl")
    return found


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and its dependencies lent from this one; its ``bin``."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=False)
    binaries = folder / "bin"
    ran(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(binaries / "python"),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--disable-pip-version-check",
            str(wheel),
        ]
    )
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return binaries


def ran(command: Sequence[str], cwd: Path | None = None) -> str:
    """The environment without the path of the tests' own."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_carries_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        "scanner/taxonomy.toml",
        "scanner/model_import/catalogue.toml",
        "scanner/report/report.schema.json",
        "scanner/py.typed",
        "workers/py.typed",
    } <= names
    assert any(
        name.startswith("scanner/_models/") and name.endswith("/model.toml") for name in names
    )
    assert any(name.startswith("scanner/_models/") and name.endswith(".onnx") for name in names)


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    roots = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {root for root in roots if not root.endswith(".dist-info")} == {"scanner", "workers"}


def test_scanner_and_workers_are_ours_alone_in_a_clean_environment(
    clean: Path, tmp_path: Path
) -> None:
    program = (
        "import json, scanner, workers;"
        "from importlib.metadata import packages_distributions as owners;"
        "names = {n: sorted(set(owners()[n])) for n in ('scanner', 'workers')};"
        "print(json.dumps([names, scanner.__file__, workers.__file__]))"
    )

    owners, *files = json.loads(ran([str(clean / "python"), "-c", program], cwd=tmp_path))

    assert owners == {"scanner": ["streamwarden"], "workers": ["streamwarden"]}
    assert all(Path(file).is_relative_to(clean.parent) for file in files)


def test_the_installed_program_finds_its_models_wherever_it_runs(
    clean: Path, tmp_path: Path
) -> None:
    rows = [
        json.loads(row)
        for row in ran(
            [str(clean / "streamwarden"), "models", "check", "--json"], cwd=tmp_path
        ).splitlines()
    ]

    assert [row["ok"] for row in rows] == [True] * len(rows)
    assert rows
