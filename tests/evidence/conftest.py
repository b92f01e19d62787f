"""Set-up that the tests of evidence share."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.demo import CARD_STREAM, make_demo_media


@pytest.fixture(scope="session")
def card_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The playlist of a stream of 18 s that shows the test card from 6 to 12."""
    return make_demo_media(tmp_path_factory.mktemp("live"), seconds=18)[CARD_STREAM]
