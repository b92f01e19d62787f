"""Every line that a process of the service logs is a JSON object with its facts."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, threading, structlog
from scanner.service_logs import set_up_service_logs
set_up_service_logs("driver")
structlog.get_logger("a").warning("one", stream="s")
facts = {"stream": "t", "_ray_timestamp_ns": 1}
logging.getLogger("workers.feed").warning("stream %s", "stalled", extra=facts)
logging.getLogger("library").info("not shown")
thread = threading.Thread(target=structlog.get_logger("a").info, args=("in a thread",))
thread.start()
thread.join()
try:
    raise ValueError("wrong\\nlines")
except ValueError:
    logging.getLogger("library").exception("failed")
"""


def test_lines_of_libraries_and_threads_are_json_with_their_facts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["event"], one["level"], one["process"]) for one in lines] == [
        ("one", "warning", "driver"),
        ("stream stalled", "warning", "driver"),
        ("in a thread", "info", "driver"),
        ("failed", "error", "driver"),
    ]
    assert [one.get("stream") for one in lines] == ["s", "t", None, None]
    assert [one.get("logger") for one in lines] == [None, "workers.feed", None, "library"]
    assert "ValueError: wrong" in lines[3]["exception"]
    assert all("timestamp" in one for one in lines)
    assert not any("_ray_timestamp_ns" in one for one in lines)
