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
from pathlib import Path

from rich.console import Console

from samples.demo import CARD_STREAM, make_demo_media
from samples.live import cut_into_segments
from scanner.cli.show import Board
from scanner.compose import compose, open_scan
from scanner.report.lines import ErrorLine, SummaryLine
from scanner.risk.incident import Opened
from scanner.settings.sections import read_settings
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.stream.inputs import Arrival, SegmentArrived, StreamEnded
from scanner.taxonomy import Taxonomy, uncovered
from scanner.types import Segment, SegmentKey, StreamId
from workers import on_ray

OUT = Path("demo-out")
SECONDS = 24
PORT_ANY = 0


@dataclass(order=True)
class Due:
    """A segment that is complete, as an encoder would have it, so many seconds after its stream
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
    program = compose(read_settings())
    console.print(f"starting Ray on this machine with {options.workers} workers")
    pace = Pace()
    flagged = failed = False
    with (
        on_ray(program, options.workers) as runner,
        open_scan(program, pace.arrivals(playlists), runner, out=folder) as running,
    ):
        console.print(f"{len(playlists)} streams go live")
        with Board(console) as board:
            for event, lines in running:
                board.receive(event, lines)
                if isinstance(event.event, Opened):
                    delay = pace.since(float(event.event.at))
                    board.say(f"        known {delay:.1f} s after it was on screen, {event.path}")
                for line in lines:
                    flagged |= isinstance(line, SummaryLine) and "test_card" in line.flagged
                    failed |= isinstance(line, ErrorLine)
        page = running.write_report()
    board.print_tables(Console(), uncovered(Taxonomy.load(), program.policies.labels))
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


class Pace:
    """Hands out segments when they would be complete."""

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
                yield SegmentArrived(
                    path=due.stream,
                    segment=Segment(key=key, source=piece.source, init=piece.init),
                    name=piece.name,
                )
            if due.last:
                yield StreamEnded(stream_id=stream_id)


def _due(name: str, playlist: Path) -> Iterator[Due]:
    at = 0.0
    pieces = list(follow_playlist(playlist, FetchLimits()))
    for piece in pieces:
        at += float(piece.duration)
        yield Due(at=at, stream=name, piece=piece, last=piece is pieces[-1])


def _streams(media: Path | None) -> dict[str, Path]:
    made = OUT / "media"
    drawn = make_demo_media(made / "drawn", SECONDS)
    if media is None:
        return drawn
    return {CARD_STREAM: drawn[CARD_STREAM], **cut_into_segments(media, made / "given")}


def _serve(folder: Path) -> None:
    """The report on loopback until Ctrl-C."""
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
