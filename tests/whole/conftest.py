"""Media that several of these tests scan."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory, demo_media: Path) -> Path:
    """Eighteen seconds of MPEG-TS with the test card in the middle."""
    path = tmp_path_factory.mktemp("card") / "card.ts"
    path.write_bytes(
        b"".join(
            segment.read_bytes() for segment in sorted((demo_media / "test-card").glob("*.ts"))
        )
    )
    return path
