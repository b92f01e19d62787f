"""`make demo`: ordinary streams and one that shows the test card, played live through Ray workers
to a clip and a report.

python -m samples.play --once                    ends by itself
python -m samples.play --media FOLDER            plays your own files instead of most drawn ones
"""

from __future__ import annotations

import argparse
import functools
import heapq
import http.server
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from samples.demo import CARD_STREAM, make_demo_media
from samples.live import cut_into_segments
from scanner.arrivals import Arrival, Arrived, NoMore
from scanner.cli.show import Board
from scanner.evidence.reporting import Reporter
from scanner.evidence.room import open_room
from scanner.lines import ErrorLine, SummaryLine
from scanner.report.write import write_report
from scanner.risk.incident import Opened
from scanner.runner import used_models
from scanner.scan import scan
from scanner.settings.policies import compose_policies
from scanner.settings.sections import read_settings
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.taxonomy import Taxonomy, uncovered
from scanner.types import Segment, SegmentKey, StreamId
from workers import on_ray

OUT = Path("demo-out")
SECONDS = 24
PORT_ANY = 0


@dataclass(order=True)
class DueSegment:
    """A segment that is complete, as an encoder would have it, ``at`` seconds after its stream
    began."""

    at: float
    stream: str
    piece: PlaylistSegment
    last: bool


def main() -> int:
    options = _options()
    console = Console(stderr=True)
    console.print(
        "drawing sample streams" + (f" and cutting {options.media}" if options.media else "")
    )
    playlists = _streams(options.media)
    folder = OUT / "report"
    shutil.rmtree(folder, ignore_errors=True)
    settings = read_settings()
    manifests = used_models(settings)
    policies = compose_policies(settings, manifests)
    console.print(f"starting Ray on this machine with {options.workers} workers")
    with on_ray(settings, options.workers) as runner, open_room(folder, settings, policies) as room:
        reporter = Reporter(room)
        console.print(f"{len(playlists)} streams go live")
        pace = LivePace()
        flagged = failed = False
        with Board(console) as board:
            for item in scan(pace.arrivals(playlists), policies, runner, evidence=room):
                reporter.note(item)
                board.note(item)
                if isinstance(item, Opened):
                    board.say(
                        f"        known {pace.since(float(item.at)):.1f} s after it was on screen, "
                        f"{item.incident.stream_id}"
                    )
                flagged = flagged or (isinstance(item, SummaryLine) and "test_card" in item.flagged)
                failed = failed or isinstance(item, ErrorLine)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        page = write_report(
            reporter.report(
                settings, policies, manifests, version=version("streamwarden"), created=now
            ),
            folder,
        )
    board.print_tables(Console(), uncovered(Taxonomy.load(), policies.labels))
    print(f"\nclips:  {folder / 'clips'}\nreport: {page}")
    if not flagged or (failed and options.media is None):
        console.print(
            "the test card was not flagged, or a drawn stream failed: run `streamwarden doctor`",
            style="red",
        )
        return 1
    if not options.once and sys.stdout.isatty():
        _serve(folder)
    return 0


class LivePace:
    """Yields segments at the time at which an encoder would have completed them."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def since(self, at: float) -> float:
        """Seconds since the instant ``at`` of a stream was live."""
        return time.monotonic() - self._began - at

    def arrivals(self, playlists: dict[str, Path]) -> Iterator[Arrival]:
        """All streams at once, from now on."""
        self._began = time.monotonic()
        for due in heapq.merge(*(_due(name, playlist) for name, playlist in playlists.items())):
            time.sleep(max(0.0, self._began + due.at - time.monotonic()))
            stream_id = StreamId(due.stream)
            piece = due.piece
            if piece.source is not None:
                key = SegmentKey(stream_id=stream_id, sequence=piece.sequence)
                yield Arrived(
                    path=due.stream,
                    segment=Segment(key=key, source=piece.source, init=piece.init),
                    name=piece.name,
                )
            if due.last:
                yield NoMore(stream_id=stream_id)


def _due(name: str, playlist: Path) -> Iterator[DueSegment]:
    at = 0.0
    pieces = list(follow_playlist(playlist, FetchLimits()))
    for piece in pieces:
        at += float(piece.duration)
        yield DueSegment(at=at, stream=name, piece=piece, last=piece is pieces[-1])


def _streams(media: Path | None) -> dict[str, Path]:
    made = OUT / "media"
    drawn = make_demo_media(made / "drawn", SECONDS)
    if media is None:
        return drawn
    return {CARD_STREAM: drawn[CARD_STREAM], **cut_into_segments(media, made / "given")}


def _serve(folder: Path) -> None:
    """Serve the report on loopback until Ctrl-C."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", PORT_ANY), handler) as server:
        print(f"open http://127.0.0.1:{server.server_port}/report.html   (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Says nothing."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="end by itself")
    parser.add_argument("--media", type=Path, help="a folder with video files to play")
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
