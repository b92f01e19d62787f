"""A whole scan in one call, for programs that want what ``streamwarden scan --json`` says and no
more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike, fspath

from scanner.lines import Line
from scanner.runner import local_runner, used_models
from scanner.scan import scan
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings, read_settings
from scanner.sources.paths import read_sources

__all__ = ["scan_paths"]


def scan_paths(
    paths: Iterable[str | PathLike[str]], settings: Settings | None = None
) -> Iterator[Line]:
    """Scan files, folders, stills, playlists and addresses of playlists, here and in one child
    process that decodes.

    Lines come as they are known, those of one path in order, its ``SummaryLine`` last. What cannot
    be read is an ``ErrorLine``, and the others go on. The child ends with the iterator. Without
    ``settings``, those of the environment are in force.

    Raises:
        SetupError: a setting, a model or this machine is not as it must be; when the first line is
            asked for.
    """
    settings = read_settings() if settings is None else settings
    policies = compose_policies(settings, used_models(settings))
    with (
        read_sources((fspath(path) for path in paths), settings.fetch) as arrivals,
        local_runner(settings) as runner,
    ):
        for said in scan(arrivals, policies, runner, patience=settings.stream.missing_after):
            if isinstance(said, Line):
                yield said
