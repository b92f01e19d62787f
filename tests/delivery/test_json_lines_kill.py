"""Processes that append lines are killed at any moment: no receipt without its whole line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fault

APPEND = """
import asyncio, sys
from pathlib import Path
from scanner.delivery.json_lines import JsonLinesFolder
from scanner.settings.service import JsonLinesSettings

async def append():
    sink = JsonLinesFolder(JsonLinesSettings(folder=Path(sys.argv[1]), max_bytes=32768, keep=0))
    number = 0
    while True:
        names = [f"{sys.argv[2]}-{number + k}" for k in range(8)]
        body = '{"text":"' + "x" * 900 + '"}'
        answers = await sink.post_all([(name, body) for name in names], now=lambda: 0.0)
        for name, answer in zip(names, answers):
            print(name, answer.place["file"], answer.place["offset"], flush=True)
        number += 8

asyncio.run(append())
"""
KILLS = 8


def test_every_receipt_names_a_whole_line_after_kills_at_any_moment(tmp_path: Path) -> None:
    receipts: list[str] = []
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path), f"run{kill}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(40 + 13 * kill):
            receipts.append(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
        receipts += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.stdout.close()
        process.wait()

    files = sorted(tmp_path.glob("incidents-*.jsonl"))
    lines = [json.loads(line) for path in files[:-1] for line in path.read_text().splitlines()]
    assert len(files) > KILLS
    assert all(line["text"] == "x" * 900 for line in lines)
    for receipt in receipts:
        name, file, offset = receipt.split()
        with (tmp_path / file).open("rb") as data:
            data.seek(int(offset))
            assert json.loads(data.readline())["id"] == name
