"""`make demo`: start the live service, send drawn streams to it as encoders would, and show what it
flags. One of the streams shows the test card.

python -m samples.play --once                    exit when the streams have ended
python -m samples.play --media FOLDER            play your own files in addition to the test card
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samples.demo import CARD_STREAM, make_demo_media
from samples.live import cut_into_segments, is_still, list_media
from scanner.cli.terminal import open_console
from scanner.client.service import ServiceClient
from scanner.client.submit import StreamSubmission, stream_name, submit
from scanner.console.links import add_demo_moderator
from scanner.errors import DamagedError, FormatError, ScannerError, TransientError
from scanner.imaging import encode_jpeg
from scanner.sandbox.limits import SandboxLimits
from scanner.scoring.test_card import draw_card
from scanner.sources.limits import FetchLimits
from scanner.sources.search import PLAYLIST_SUFFIXES
from scanner.store.database import open_journal

OUT = Path("demo-out")
SECONDS = 24
READY_SECONDS = 300.0
SETTLE_SECONDS = 120.0


@dataclass
class Show:
    """What the demonstration sends, and what became of it."""

    console: Any
    address: str
    began: float = 0.0
    streams: dict[str, str] = field(default_factory=dict)
    """Names of what was sent by the stream's id."""
    left_out: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    """Incidents that were shown, by their latest revision."""
    card: str | None = None
    """The incident of the test card."""

    def send(self, name: str, path: Path) -> None:
        """Send one stream in real time; a file that cannot be sent is named with the reason."""
        stream_id = stream_name(re.sub(r"[/.]", "-", name), time.time())
        try:
            with ServiceClient(self.address) as sender:
                if not _is_playlist(path) and is_still(path):
                    answer = sender.post_image(path.read_bytes())
                    self.console.print(
                        f"  {name}: picture, flagged: {answer.get('flagged') or 'no'}"
                    )
                    return
                self.streams[stream_id] = name
                self._submit(stream_id, path, sender)
        except ScannerError as error:
            self._leave_out(stream_id, name, str(error))
        except OSError as error:
            self._leave_out(stream_id, name, error.strerror or "cannot be read")

    def _leave_out(self, stream_id: str, name: str, reason: str) -> None:
        self.streams.pop(stream_id, None)
        self.left_out.append(f"{name}: {reason}")

    def _submit(self, stream_id: str, path: Path, sender: ServiceClient) -> None:
        def play(source: Path) -> None:
            submission = StreamSubmission(
                path=str(source), stream_id=stream_id, channel="demo", realtime=True
            )
            submit(submission, sender, fetch=FetchLimits(), sandbox=SandboxLimits())

        try:
            play(path)
        except (FormatError, DamagedError):  # what segments cannot carry is encoded first
            if _is_playlist(path):
                raise
            play(cut_into_segments(path, OUT / "media" / "given" / stream_id))

    def watch(self, sender: ServiceClient) -> bool:
        """Print what is new; return whether every stream is finished and its evidence cut."""
        rows = sender.get("/v1/incidents?limit=100")["incidents"]
        for row in rows:
            if self.known.get(row["id"]) != row["revision"]:
                self._print(row)
                self.known[row["id"]] = row["revision"]
        states = {one["stream_id"]: one["state"] for one in _streams(sender)}
        return all(states.get(stream) == "finished" for stream in self.streams) and all(
            row["detection"] == "closed" for row in rows
        )

    def _print(self, row: Mapping[str, Any]) -> None:
        name = self.streams.get(row["stream_id"], row["stream_id"])
        if row["label"] == "test_card":
            self.card = row["id"]
        kind = f"risk {row['risk']:.2f}"
        if row["detection"] == "closed":
            ended = f"{row['start']:.1f} to {row['end']:.1f} s"
            self.console.print(f"  {name}: {row['label']} closed, {ended} ({kind})")
            return
        delay = row["opened_at"] - self.began - row["opened"]
        self.console.print(
            f"  {name}: {row['label']} flagged at {row['opened']:.1f} s ({kind}),"
            f" {delay:.1f} s after it was shown"
        )


def _is_playlist(path: Path) -> bool:
    return path.suffix.lower() in PLAYLIST_SUFFIXES


def main() -> int:
    """Run the demonstration; return the exit status. SIGTERM and SIGHUP end it and the service, as
    Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return _demonstrate(_options())
    except KeyboardInterrupt:
        return 130


def _demonstrate(options: argparse.Namespace) -> int:
    console = open_console(stderr=True)
    console.print("Drawing sample streams...")
    drawn = make_demo_media(OUT / "media" / "drawn", SECONDS)
    shutil.rmtree(OUT / "service", ignore_errors=True)
    sources = {**drawn, **_further_cards(drawn[CARD_STREAM])}
    if options.media is not None:
        given, left_out = list_media(options.media)
        sources = {CARD_STREAM: drawn[CARD_STREAM], **given}
        for message in left_out:
            console.print(f"left out: {message}")
    console.print(f"Starting the service with {options.workers} Ray workers...")
    with _service(options.workers) as address:
        show = Show(console=console, address=address)
        with ServiceClient(address) as sender:
            _wait_until_ready(sender)
            console.print(f"The service listens at {address}; {len(sources)} streams are live.")
            _play(show, sources, sender)
            return _conclude(show, sender, stay=not options.once and sys.stdout.isatty())


def _further_cards(playlist: Path) -> dict[str, Path]:
    """Return another stream and a picture with the test card, so that the queue has several items;
    they are as harmless."""
    picture = OUT / "media" / "drawn" / "picture.jpg"
    picture.write_bytes(encode_jpeg(draw_card(640, 360), 90))
    return {"second-card": playlist, "picture": picture}


def _play(show: Show, sources: Mapping[str, Path], sender: ServiceClient) -> None:
    show.began = time.time()
    threads = [
        threading.Thread(target=show.send, args=(name, path), daemon=True)
        for name, path in sources.items()
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        show.watch(sender)
        time.sleep(0.5)
    deadline = time.monotonic() + SETTLE_SECONDS
    while not show.watch(sender) and time.monotonic() < deadline:
        time.sleep(0.5)


def _conclude(show: Show, sender: ServiceClient, *, stay: bool) -> int:
    """Print the result; return the exit status."""
    console = show.console
    for line in show.left_out:
        console.print(f"  left out: {line}", markup=False)
    if show.card is None or not _has_clip(sender, show.card):
        console.print(
            "The test card was not flagged, or has no clip. Run `streamwarden doctor`.", style="red"
        )
        return 1
    print(f"\nThe test card was flagged: incident {show.card}")
    print(f"Review:   {_review_link(show.address)}")
    print("          (opens the queue as a throw-away moderator, once; Enter, then v or n decides)")
    print(f"API:      {show.address}/openapi.json")
    if stay:
        print("The service stays up until Ctrl-C.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
    return 0


def _review_link(address: str) -> str:
    """Return a one-use link into a session of a moderator who exists for a day."""
    journal = open_journal(OUT / "service")
    try:
        return add_demo_moderator(journal, address)
    finally:
        journal.close()


def _has_clip(sender: ServiceClient, incident: str) -> bool:
    """Wait for the clip of an incident; return whether it was cut."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        evidence = sender.get(f"/v1/incidents/{incident}")["evidence"]
        if any(one["piece"].startswith("clip") and one["status"] == "cut" for one in evidence):
            return True
        time.sleep(0.5)
    return False


def _streams(sender: ServiceClient) -> list[Mapping[str, Any]]:
    listed: list[Mapping[str, Any]] = sender.get("/v1/streams?limit=200")["streams"]
    return listed


def _wait_until_ready(sender: ServiceClient) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            sender.get("/readyz", patience=0)
        except ScannerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _service(workers: int) -> Iterator[str]:
    """Start the service on a free port; stop it at the end. Its log is in the output folder."""
    data, log = OUT / "service", OUT / "service.log"
    command = [sys.executable, "-m", "workers.cli", "serve", "--data", str(data), "--port", "0"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    try:
        first = process.stdout.readline() if process.stdout is not None else ""
        if " at " not in first:
            raise TransientError(f"the service did not start; its log is {log}")
        yield first.split(" at ")[1].split(";")[0].strip()
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="exit when the streams have ended")
    parser.add_argument("--media", type=Path, help="folder of what `scan` reads, to play")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="number of Ray workers; 0: without Ray",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
