"""A channel has policies of its own: composed, shown, recorded, and used wherever it is folded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.cli.app import run
from scanner.compose import compose
from scanner.console.what_if import compare_policies
from scanner.errors import SetupError
from scanner.pipeline.replay import fold, inputs_of_record
from scanner.records.recording import read_record
from scanner.risk.policy import Policies, matches_channel
from scanner.settings.policies import (
    channel_rows,
    compose_policies,
    explain_policies,
    policy_hash,
    policy_rows,
)
from scanner.settings.sections import ModelSettings, Settings, read_settings
from scanner.store.configured import latest_policies, policies_of_generation
from scanner.store.turns import TurnJournal
from scanner.types import Label
from tests.test_config import GUN, manifest, written
from tests.workers.journal_runs import JournalWorld
from tests.workers.pool_fakes import BRIGHT, HERE, POLICIES, scripted

TEXT = """
[policy.gun]
open = 3.0
[[channels]]
match = "kids-*"
[channels.policy.Weapons]
open = 1.0
close_after = 20
[[channels]]
match = "kids-late"
[channels.policy.gun]
shadow = true
[[channels]]
match = "range"
[channels.policy.gun]
shadow = true
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(written(tmp_path, TEXT))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JournalWorld]:
    world = JournalWorld(tmp_path / "data")
    yield world
    world.close()


def test_the_first_channel_that_matches_overrides_the_common_policy(settings: Settings) -> None:
    policies = compose_policies(settings, [manifest(level=4.5)])
    opens = {
        name: (policies.of_channel(name).labels[GUN].open, policies.of_channel(name).labels[GUN])
        for name in (None, "news", "kids-1", "kids-late", "range")
    }

    assert {name: value for name, (value, _) in opens.items()} == {
        None: 3.0,
        "news": 3.0,
        "kids-1": 1.0,
        "kids-late": 1.0,
        "range": 3.0,
    }
    assert [name for name, (_, policy) in opens.items() if policy.shadow] == ["range"]
    assert policies.live_labels >= {GUN}


def test_a_pattern_is_a_name_or_has_wildcards() -> None:
    assert matches_channel("a", "a")
    assert matches_channel("a[b]", "a[b]")
    assert matches_channel("ab", "a[b]")
    assert not matches_channel("A", "a")
    assert not matches_channel("ab", "a")


def test_the_hash_and_the_recorded_rows_have_what_differs_on_a_channel(settings: Settings) -> None:
    policies = compose_policies(settings, [manifest()])
    without = replace(policies, channels=())

    assert policy_hash(policies) != policy_hash(without)
    assert policy_hash(without) == policy_hash(
        compose_policies(Settings(policy=settings.policy), [manifest()])
    )
    rows = channel_rows(policies)
    assert [row["match"] for row in rows] == ["kids-*", "kids-late", "range"]
    assert [list(row["labels"]) for row in rows] == [["gun"], ["gun"], ["gun"]]
    assert json.loads(json.dumps(rows))[0]["labels"]["gun"]["open"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('match = "a"\n[channels.policy.guns]', "channels.0 (a): label 'guns' is not"),
        ('match = "a"\n[channels.policy.guns]', "did you mean 'gun'?"),
        (
            'match = "a"\n[channels.policy.gun]\nopem = 1',
            "opem: no such setting; did you mean open",
        ),
        ('match = "a"\nname = 1', "channels.0.name: no such setting"),
        ('match = ""', "channels.0.match"),
        ("policy = {}", "channels.0.match"),
    ],
)
def test_what_is_wrong_with_a_channel_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        compose_policies(read_settings(written(tmp_path, f"[[channels]]\n{text}")), [manifest()])

    assert message in str(error.value)
    assert "settings.toml" in str(error.value)


def test_every_value_in_force_on_a_channel_has_its_origin(settings: Settings) -> None:
    def origins(channel: str | None) -> dict[str, object]:
        rows = explain_policies(settings, [manifest(level=4.5, window=8)], channel=channel)
        return {row.key: (row.value, row.origin) for row in rows if row.label == GUN}

    kids, other = origins("kids-1"), origins("news")
    assert kids["open"] == (1.0, ("channels", "0", "policy", "Weapons", "open"))
    assert other["open"] == (3.0, ("policy", "gun", "open"))
    assert kids["window"] == ("8", "manifest")
    assert kids["category"][1] == "taxonomy"  # type: ignore[index]
    assert kids["escalate_after"] == ("600", "default")


def test_the_command_shows_what_is_in_force_on_a_channel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[[channels]]\nmatch = "quiet"\n[channels.policy.test_card]\nopen = 9.5\n'
    file = written(tmp_path, text)

    def shown(*more: str) -> dict[str, dict[str, object]]:
        assert run(["config", "show", "--json", "-c", str(file), *more]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {row["key"]: row for row in rows}

    row = shown("--channel", "quiet")["policy.test_card.open"]
    assert row["value"] == 9.5
    assert row["origin"] == f"{file}: channels.0.policy.test_card.open"
    assert shown("--channel", "other")["policy.test_card.open"]["origin"] == "manifest"
    assert shown()["channels.0.match"]["value"] == "quiet"


def test_a_scan_may_use_the_policies_of_a_channel(settings: Settings) -> None:
    own = Settings(
        channels=settings.model_validate(
            {"channels": [{"match": "a", "policy": {"test_card": {"open": 7}}}]}
        ).channels,
        models=ModelSettings(names=()),
    )
    card = Label("test_card")

    assert compose(own, channel="a").policies.labels[card].open == 7
    assert compose(own, channel="b").policies.labels[card].open == 2
    assert compose(own).policies.labels[card].open == 2


# In the service

STRICT = replace(POLICIES, labels={BRIGHT: replace(POLICIES.labels[BRIGHT], open=20.0)})
BY_CHANNEL = replace(POLICIES, channels=(("strict", STRICT),))


def bright(world: JournalWorld, stream: str, channel: str | None) -> None:
    turns = [scripted(stream, n, bright=3 <= n < 6) for n in range(9)]
    world.put(turns, channel=channel)
    world.end(stream, 8)


def opened(world: JournalWorld, stream: str) -> int:
    return sum('"event": "Opened"' in line for line in world.events(stream))


def configure(world: JournalWorld, policies: Policies) -> int:
    turns = TurnJournal(world.journal)
    turns.take_over()
    body = {"labels": policy_rows(policies), "channels": channel_rows(policies)}
    return turns.record_configuration(body)


@pytest.mark.parametrize("commits", [None, 0, 2])
def test_a_stream_is_folded_under_the_policies_of_its_channel(
    world: JournalWorld, commits: int | None
) -> None:
    for stream, channel in (("a", None), ("b", "strict"), ("c", "other")):
        bright(world, stream, channel)

    if commits is not None:
        world.drive(commits=commits, parts=replace(HERE, policies=BY_CHANNEL))
    world.drive(parts=replace(HERE, policies=BY_CHANNEL))

    assert [opened(world, stream) for stream in "abc"] == [1, 0, 1]
    recorded = inputs_of_record(read_record(world.events("b")))
    on_channel = {name: replace(one, channel="strict") for name, one in recorded.items()}
    assert len(fold(recorded, BY_CHANNEL).incidents) == 1
    assert fold(on_channel, BY_CHANNEL).incidents == ()


def test_readers_of_a_generation_get_the_policies_of_the_channel(world: JournalWorld) -> None:
    first = configure(world, BY_CHANNEL)
    second = configure(world, POLICIES)

    with world.journal.read() as connection:
        found = [
            policies_of_generation(connection, generation, channel)["bright"]["open"]
            for generation in (first, second)
            for channel in (None, "strict", "other")
        ]
        latest = latest_policies(connection, "strict")["bright"]["open"]
    assert found == [1.0, 20.0, 1.0, 1.0, 1.0, 1.0]
    assert latest == 1.0


def test_what_if_begins_with_the_policies_of_each_channel(
    world: JournalWorld, tmp_path: Path
) -> None:
    configure(world, BY_CHANNEL)
    for stream, channel in (("a", None), ("b", "strict")):
        bright(world, stream, channel)
    world.drive(parts=replace(HERE, policies=BY_CHANNEL))

    def found(text: str) -> tuple[int, int, int]:
        result = compare_policies(world.journal, tmp_path / "data", text, since=0.0)
        return result["streams"], result["before"], result["gained"]

    of_all = "[policy.bright]\nopen = 1.0"
    assert found(of_all) == (2, 1, 0)
    assert found(f"[[channels]]\nmatch = 'strict'\n[channels.{of_all[1:]}") == (2, 1, 1)
