"""``streamwarden submit``: the first client of the service."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.messages import print_message
from scanner.cli.options import Config
from scanner.report.text import plain
from scanner.settings.sections import Settings, read_settings

if TYPE_CHECKING:
    from scanner.client.service import ServiceClient
    from scanner.client.submit import StreamSubmission

__all__ = ["submit_command", "wait_with_message"]


def write_line(text: str) -> None:
    """Write one line to standard output; outside text has no control characters left."""
    sys.stdout.write(f"{plain(text)}\n")
    sys.stdout.flush()


def wait_with_message(
    address: str, sleep: Callable[[float], None] = time.sleep
) -> Callable[[float], None]:
    """Return what waits between two attempts, and says so at the first."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        if not waited:
            print_message(
                f"{address}: does not answer or has no room; trying again for up to 5 minutes."
                " Does `streamwarden serve` run there? --url names another address"
            )
        waited.append(seconds)
        sleep(seconds)

    return wait


def submit_command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Files, folders, playlists or URLs."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of the service; by default the local one.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="Lasting identity that the streams belong to.")
    ] = None,
    stream_id: Annotated[
        str | None, typer.Option(help="Name of the stream; by default the path's and the time.")
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Send segments as fast as they would play.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=60, help="Duration of the segments of a file.")
    ] = 4.0,
    from_mediamtx: Annotated[
        bool, typer.Option("--from-mediamtx", help="Send the piece that MediaMTX recorded.")
    ] = False,
    config: Config = None,
) -> None:
    """Send files, folders of segments, or playlists to the service as streams.

    An API key is read from the environment variable STREAMWARDEN_API_KEY.
    """
    from scanner.client.mediamtx import submit_recorded
    from scanner.client.service import ServiceClient
    from scanner.client.submit import StreamSubmission, stream_name

    settings, paths = read_settings(config), paths or []
    if bool(paths) is from_mediamtx:
        raise typer.BadParameter("give paths, or --from-mediamtx", param_hint="PATH...")
    if stream_id is not None and len(paths) != 1:
        raise typer.BadParameter(
            "names one stream: give one path with it", param_hint="--stream-id"
        )
    service = settings.service
    address = url or f"http://{service.host}:{service.port}"
    key, wait = os.environ.get("STREAMWARDEN_API_KEY"), wait_with_message(address)
    with ServiceClient(address, key=key, wait=wait) as sender:
        if from_mediamtx:
            write_line(f"channel {submit_recorded(os.environ, sender, channel=channel)}")
        for path in paths:
            submission = StreamSubmission(
                path=path,
                stream_id=stream_id or stream_name(path, time.time()),
                channel=channel,
                realtime=realtime,
                segment_seconds=Fraction(seconds).limit_denominator(1000),
            )
            _submit_with_progress(submission, sender, settings)


def _submit_with_progress(
    submission: StreamSubmission, sender: ServiceClient, settings: Settings
) -> None:
    """Send one stream, and write a line for each segment."""
    from scanner.client.submit import submit

    write_line(f"{submission.path}: stream {submission.stream_id}")
    count = submit(
        submission,
        sender,
        fetch=settings.fetch,
        sandbox=settings.sandbox,
        sent=lambda sequence, how: write_line(f"  segment {sequence} {how}"),
    )
    write_line(f"  {count} segment{'s' if count != 1 else ''}, and the end of the stream")
