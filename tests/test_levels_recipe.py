"""The script that sets the levels of a shipped model."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.evaluate.streams.pieces import FootagePool, build_pool
from scanner.risk.policy import Policy
from scanner.scoring.manifest import read_manifest
from tests.evaluate.streams.build import (
    FIGHT,
    GUN,
    policies,
    recorded_clip,
    recorded_still,
    recordings_of_cameras,
)

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = REPOSITORY / "models" / "streamwarden-frame"


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def fitted(pool: FootagePool, policy: Policy | None = None) -> Any:
    from set_levels import fit_label

    return fit_label(pool, FIGHT, policy or policies().labels[FIGHT])


def test_a_label_is_in_shadow_if_too_few_events_reach_its_level() -> None:
    clear = fitted(build_pool(recordings_of_cameras(30, fight=0.999, calm=0.001)))
    vague = fitted(build_pool(recordings_of_cameras(30, fight=0.02, calm=0.02)))

    assert (clear.shadow, clear.found.on_camera) == (False, 30)
    assert (vague.shadow, vague.found.on_camera) == (True, 0)


def test_photographs_make_a_label_live_for_still_pictures_only() -> None:
    fights = [
        recorded_still("violence_clip", "1", f"f{number}", f"f{number}.jpg", 0.999, FIGHT)
        for number in range(100)
    ]
    harmless = [
        recorded_still("benign", "0", f"p{number}", f"{number}.jpg", 0.001, FIGHT)
        for number in range(100)
    ]

    one = fitted(
        build_pool([*recordings_of_cameras(30, fight=0.02, calm=0.02), *fights, *harmless])
    )

    assert (one.found.held, one.found.on_camera) == (100, 0)
    assert (one.shadow, one.still_shadow) == (True, False)


def test_photographs_make_a_label_live_in_streams_if_it_is_found_on_camera_too() -> None:
    fights = [
        recorded_still("violence_clip", "1", f"f{number}", f"f{number}.jpg", 0.999, FIGHT)
        for number in range(12)
    ]
    on_camera = recorded_clip("violence_clip", "1", "clear", "clear.mp4", [0.999] * 5)
    unclear = recordings_of_cameras(30, fight=0.02, calm=0.02)

    alone = fitted(build_pool([*unclear, *fights]))
    few = fitted(build_pool([*unclear, on_camera, *fights[:8]]))
    both = fitted(build_pool([*unclear, on_camera, *fights]))

    assert [(one.found.on_camera, one.found.held) for one in (alone, few, both)] == [
        (0, 12),
        (1, 8),
        (1, 12),
    ]
    assert [one.shadow for one in (alone, few, both)] == [True, True, False]


def test_a_label_of_few_photographs_is_in_shadow_for_still_pictures() -> None:
    fights = [
        recorded_still("violence_clip", "1", f"f{number}", f"f{number}.jpg", 0.999, FIGHT)
        for number in range(99)
    ]

    one = fitted(build_pool([*recordings_of_cameras(30, fight=0.02, calm=0.02), *fights]))

    assert (one.flagged.photographs, one.flagged.found) == (99, 99)
    assert one.still_shadow


def test_one_harmless_photograph_in_a_hundred_may_be_flagged_as_a_still() -> None:
    from set_levels import fit_still

    stills = [
        recorded_still("benign", "0", f"p{number}", f"{number}.jpg", number / 200)
        for number in range(200)
    ]
    alike = [replace(one, row=replace(one.row, origin="album")) for one in stills]

    assert fit_still(build_pool(alike), GUN, policies().labels[FIGHT]) == pytest.approx(0.991)


def test_levels_and_their_figures_are_written_to_the_manifest_and_the_card(tmp_path: Path) -> None:
    from set_levels import SECTION, write_card, write_manifest

    folder = tmp_path / SHIPPED.name
    shutil.copytree(SHIPPED, folder)
    (folder / "README.md").write_text(f"# Model\n\n{SECTION}\nold\n\n## Known failures\n- none\n")
    one = fitted(build_pool(recordings_of_cameras(30, fight=0.999, calm=0.001)))

    for _ in range(2):
        write_manifest(folder / "model.toml", [replace(one, still=0.75)])
        write_card(folder / "README.md", [one])

    manifest, before = read_manifest(folder), read_manifest(SHIPPED)
    policy = manifest.labels[FIGHT].policy
    card = (folder / "README.md").read_text()
    assert (policy.level, policy.still) == (one.safe.level, 0.75)
    assert (policy.shadow, policy.still_shadow) == (False, True)
    assert manifest.labels[GUN] == before.labels[GUN]
    assert manifest.quality["fight: events on camera that reach the level"] == "30 of 30"
    assert card.count(SECTION) == 1
    assert "old" not in card
    assert card.endswith("\n## Known failures\n- none\n")
