"""A service is ready once its pages are prepared; until then it answers."""

from __future__ import annotations

import threading
from importlib.resources import files

import pytest

from scanner.console import app
from scanner.console.rendering import _environment, prepare_templates
from tests.intake.conftest import run_service, wait_for

REASON = "the pages are being prepared"


def test_a_service_whose_pages_are_being_prepared_answers_and_is_not_ready(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(app, "prepare_pages", lambda _: released.wait())
    with run_service(tmp_path_factory.mktemp("preparing")) as service:
        assert service.client.get("/healthz").status_code == 200
        assert service.client.get("/login").status_code == 200
        assert REASON in service.client.get("/readyz").json()["reasons"]
        released.set()
        wait_for(lambda: REASON not in service.client.get("/readyz").json()["reasons"])


def test_every_template_is_compiled_before_it_is_asked_for() -> None:
    prepare_templates()
    folder = files("scanner.console").joinpath("templates")

    assert len(_environment().cache) >= len(list(folder.iterdir()))
