"""What samples/deploy offers to operators names what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from scanner.cli.app import COMMANDS
from scanner.console.app import create_web_app
from scanner.delivery.alarms import KINDS
from scanner.settings.sections import read_settings
from scanner.store.database import open_journal
from scanner.store.objects import ObjectStore

DEPLOY = Path(__file__).resolve().parent.parent / "samples" / "deploy"
METRIC = re.compile(r"\bstreamwarden_[a-z0-9_]+")


def metrics_used() -> set[str]:
    """Return the metrics that the dashboard and the alert rules query."""
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text("utf-8"))
    expressions = [
        *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]),
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
    ]
    return {name for expression in expressions for name in METRIC.findall(expression)}


def test_panels_have_a_place_of_their_own_and_say_what_they_show() -> None:
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))["panels"]

    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["title"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text("utf-8"))

    for rule in rules["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_every_alarm_of_the_service_has_an_alert_rule() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    named = {
        kind
        for rule in rules
        for pattern in re.findall(r'streamwarden_alarms{kind=~?"([^"]+)"}', rule["expr"])
        for kind in KINDS
        if re.fullmatch(pattern, kind)
    }
    by_metric = {
        "disk.low": "streamwarden_disk_free_ratio",
        "service.slow": "streamwarden_oldest_waiting_seconds",
        "work.failing": "streamwarden_delivery_work_seconds",
    }
    for kind, metric in by_metric.items():
        assert any(metric in rule["expr"] for rule in rules)
        named.add(kind)

    assert named == {*KINDS}


def test_the_container_of_the_service_has_no_rights_and_a_read_only_root() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"][
        "streamwarden"
    ]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["command"][0] in COMMANDS


def test_the_image_has_the_folder_of_the_data_for_its_user() -> None:
    """A new volume has the owner of the folder in the image, and belongs to root without one."""
    data = read_settings(DEPLOY / "streamwarden.toml").service.data
    dockerfile = (DEPLOY.parent.parent / "Dockerfile").read_text("utf-8")
    made = re.findall(r"install --directory --owner warden .* (\S+) ", dockerfile)

    assert made == [str(data.parent)]


def test_its_settings_are_valid_and_nginx_calls_hooks_that_exist(tmp_path: Path) -> None:
    settings = read_settings(DEPLOY / "streamwarden.toml").service
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    journal = open_journal(tmp_path, create=True)
    app = create_web_app(settings, journal, ObjectStore(tmp_path / "objects"))
    journal.close()

    assert settings.ingest.folders == [Path(re.findall(r"record_path (\S+);", nginx)[0])]
    hooks = set(re.findall(r"http://127.0.0.1:8090(/hooks/\S+)/KEY;", nginx))
    assert {f"{hook}/{{secret}}" for hook in hooks} <= app.openapi()["paths"].keys()
    assert hooks


@pytest.mark.parametrize("unit", ["streamwarden.service", "streamwarden.socket"])
def test_units_run_commands_that_exist(unit: str) -> None:
    text = (DEPLOY / unit).read_text("utf-8")

    for command in re.findall(r"/streamwarden (\w+)", text):
        assert command in COMMANDS


def test_a_reload_of_the_unit_with_wrong_settings_fails_before_the_service_is_asked() -> None:
    text = (DEPLOY / "streamwarden.service").read_text("utf-8")

    check, ask = re.findall(r"^ExecReload=(.+)$", text, re.MULTILINE)

    start = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)[0]
    assert check == start.replace(" serve ", " config check ")
    assert ask == "/bin/kill -HUP $MAINPID"
