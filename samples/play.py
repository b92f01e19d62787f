"""`make demo`: play drawn streams live through Ray workers; one shows the test card, which gives a
clip and a report.

python -m samples.play --once                    exit when the streams have ended
python -m samples.play --media FOLDER            play your own files in addition to the test card
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

from samples.demo import CARD_STREAM, make_demo_media
from samples.live import cut_into_segments
from scanner.cli.show import ScanDisplay
from scanner.cli.terminal import open_console
from scanner.compose import RunningScan, compose, open_scan
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
class DueSegment:
    """A segment that its encoder would complete at a certain time."""

    at: float
    """Seconds since its stream began."""
    stream: str
    piece: PlaylistSegment
    last: bool


def main() -> int:
    options = _options()
    console = open_console(stderr=True)
    console.print(
        "Drawing sample streams" + (f", cutting {options.media}" if options.media else "") + "..."
    )
    playlists = _streams(options.media)
    folder = OUT / "report"
    shutil.rmtree(folder, ignore_errors=True)
    program = compose(read_settings())
    console.print(f"Starting Ray on this machine with {options.workers} workers...")
    pace = Pace()
    with (
        on_ray(program, options.workers) as runner,
        open_scan(program, pace.arrivals(playlists), runner, out=folder) as running,
    ):
        console.print(f"{len(playlists)} streams are live.")
        with ScanDisplay(console) as display:
            flagged, failed = _play(running, display, pace)
        page = running.write_report()
    display.print_tables(open_console(), uncovered(Taxonomy.load(), program.policies.labels))
    print(f"\nClips:  {folder / 'clips'}\nReport: {page}")
    if not flagged or (failed and options.media is None):
        console.print(
            "The test card was not flagged, or a drawn stream failed. Run `streamwarden doctor`.",
            style="red",
        )
        return 1
    if not options.once and sys.stdout.isatty():
        _serve(folder)
    return 0


def _play(running: RunningScan, display: ScanDisplay, pace: Pace) -> tuple[bool, bool]:
    """Show the scan, and of each incident how long after its picture it was known.

    Returns whether the test card was flagged, and whether a path failed.
    """
    flagged = failed = False
    for event, lines in running:
        display.receive(event, lines)
        if isinstance(event.event, Opened):
            delay = pace.since(float(event.event.at))
            display.print_message(
                f"        detected {delay:.1f} s after it was shown in {event.path}"
            )
        for line in lines:
            flagged |= isinstance(line, SummaryLine) and "test_card" in line.flagged
            failed |= isinstance(line, ErrorLine)
    return flagged, failed


class Pace:
    """Hands out segments in real time, as live encoders would."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def since(self, at: float) -> float:
        """Return the seconds since the second ``at`` of a stream was live."""
        return time.monotonic() - self._began - at

    def arrivals(self, playlists: dict[str, Path]) -> Iterator[Arrival]:
        """Yield the segments of all streams at once, beginning now."""
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
        print(f"Open http://127.0.0.1:{server.server_port}/report.html (Ctrl-C stops the server).")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Log nothing: requests of the browser are of no interest."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="exit when the streams have ended")
    parser.add_argument("--media", type=Path, help="folder of video files to play")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="number of worker processes",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
