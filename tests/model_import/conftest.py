from __future__ import annotations

from tests.sources.conftest import make_server, server

__all__ = ["make_server", "server"]
