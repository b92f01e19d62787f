from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def shared() -> Path:
    """The folder of footage and weights that is not part of this repository."""
    default = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("STREAMWARDEN_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set STREAMWARDEN_SHARED")
    return folder
