"""What samples/deploy offers to operators names what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from scanner.cli.app import COMMANDS

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


@pytest.mark.parametrize("unit", ["streamwarden.service", "streamwarden.socket"])
def test_units_run_commands_that_exist(unit: str) -> None:
    text = (DEPLOY / unit).read_text("utf-8")

    for command in re.findall(r"/streamwarden (\w+)", text):
        assert command in COMMANDS
