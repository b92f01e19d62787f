"""A task in a module that starts a thread when it is imported, as some libraries do."""

from __future__ import annotations

import threading

from tests.sandbox.hostile_tasks import windows

__all__ = ["windows"]

threading.Thread(target=threading.Event().wait, daemon=True).start()
