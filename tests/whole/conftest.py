"""What several of these tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples.make_media import make_demo_media


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of MPEG-TS with the test card in the middle."""
    folder = tmp_path_factory.mktemp("card")
    make_demo_media(folder, seconds=12)
    path = folder / "card.ts"
    path.write_bytes(
        b"".join(segment.read_bytes() for segment in sorted((folder / "test-card").glob("*.ts")))
    )
    return path
