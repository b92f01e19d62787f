from __future__ import annotations

from tests.fetch.conftest import make_server, server

__all__ = ["make_server", "server"]
