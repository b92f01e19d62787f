"""Settings can be checked and shown before anything runs with them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.app import run
from scanner.store.database import lock_folder

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TEXT = f"""
window = 8
[sampling]
max_gap = 2.5
[service.webhooks.team]
url = "https://team.example/hook"
secret = "{SECRET}"
[policy.gun]
open = 4.0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(TEXT)
    return path


def shown(capsys: pytest.CaptureFixture[str], file: Path) -> dict[str, tuple[Any, str]]:
    assert run(["config", "show", "--json", "-c", str(file)]) == 0
    output = capsys.readouterr().out
    assert SECRET not in output
    rows = [json.loads(line) for line in output.splitlines()]
    return {row["key"]: (row["value"], row["origin"]) for row in rows}


def test_every_setting_is_shown_with_its_value_and_where_it_comes_from(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__PORT", "9000")

    found = shown(capsys, file)

    assert found["window"] == ("8", str(file))
    assert found["sampling.max_gap"] == ("5/2", str(file))
    assert found["policy.gun.open"][1] == str(file)
    assert found["service.port"] == (9000, "STREAMWARDEN_SERVICE__PORT")
    assert found["service.retention.record_days"] == (30.0, "default")
    assert found["service.webhooks.team.secret"] == ("(set)", str(file))


def test_valid_settings_are_told_with_their_models(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "check", "-c", str(file)]) == 0
    assert "valid; models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[sampling]\nmax_gab = 2", "max_gap"),
        ("[policy.gum]\nopen = 1", "gum"),
        ('[models]\nnames = ["gone"]', "gone"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_near(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(line)

    assert run(["config", "check", "-c", str(path)]) == 2
    assert told in capsys.readouterr().err


def test_without_a_service_nothing_is_reloaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(tmp_path))

    assert run(["config", "reload"]) == 2
    assert "no service uses this folder" in capsys.readouterr().err


def test_a_command_that_holds_the_lock_is_sent_no_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWARDEN_SERVICE__DATA", str(tmp_path))

    with lock_folder(tmp_path):
        assert run(["config", "reload"]) == 2

    assert f"process {os.getpid()} uses this folder" in capsys.readouterr().err


def test_serve_says_what_is_wrong_with_the_settings_before_it_starts_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = tmp_path / "settings.toml", tmp_path / "data"
    file.write_text(f'[models]\ndir = "{tmp_path}/none"\n[service]\ndata = "{data}"\n')

    assert run(["serve", "-c", str(file)]) == 2
    assert f"{tmp_path}/none: no such folder" in capsys.readouterr().err
    assert not data.exists()


def test_check_refuses_a_service_that_could_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[service]\nhost = "0.0.0.0"\n')

    assert run(["config", "check", "-c", str(file)]) == 2
    assert "give --tls-cert and --tls-key" in capsys.readouterr().err
