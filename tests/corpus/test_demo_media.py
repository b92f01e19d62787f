"""Only one stream of the demonstration shows the test card."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from samples.demo import CARD_STREAM, SCENES
from samples.make_media import make_demo_media
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Sampling
from scanner.scoring.test_card import SPEC, card_correlation

SECONDS = 8
CARD = range(1, 7)
"""Seconds that show the card: six in the middle."""


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_demo_media(tmp_path_factory.mktemp("demo"), SECONDS)


def segments(playlist: Path) -> list[DecodedWindow]:
    """Return every segment of a stream, sampled twice a second."""
    request = DecodeRequest(
        specs=(SPEC,), sampling=Sampling(strategy="every", every=Fraction(1, 2)), window=None
    )
    seen: list[DecodedWindow] = []
    for path in sorted(playlist.parent.glob("*.ts")):
        with path.open("rb") as source:
            seen += decode_windows(source, request, name=path.name)
    return seen


def test_only_one_stream_shows_the_card_and_only_in_its_middle(streams: dict[str, Path]) -> None:
    showing = {
        name: sorted(
            {
                int((s.pts - 126_000) / 90_000)
                for w in segments(playlist)
                for s in w.samples
                if card_correlation(s.images[SPEC]) > 0.6
            }
        )
        for name, playlist in streams.items()
    }

    assert showing == {CARD_STREAM: list(CARD), **{name: [] for name in SCENES}}


def test_segments_are_two_to_four_seconds_and_follow_each_other(streams: dict[str, Path]) -> None:
    for playlist in streams.values():
        windows = segments(playlist)

        starts = [(w.times.first_pts - 126_000) // 90_000 for w in windows]
        assert starts == [0, 2, 6]
        assert playlist.read_text().count("#EXTINF") == len(windows)
