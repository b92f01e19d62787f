"""Make harmless media with known facts: ``python samples/make_media.py OUT``.

As a library: ``make_media`` and ``make_playlists`` write all samples of the tests and return their
facts; ``make_demo_media`` writes the streams that ``make demo`` plays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

if not __package__:  # run as a script: only this folder is on the path
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from samples.demo import make_demo_media
from samples.facts import SampleFile, SamplePlaylist
from samples.odd import ODD
from samples.playlists import PLAYLISTS
from samples.stills import STILLS
from samples.videos import VIDEOS

__all__ = ["MAKERS", "PLAYLISTS", "make_demo_media", "make_media", "make_playlists"]

MAKERS = {**VIDEOS, **ODD, **STILLS}
"""Function that encodes each sample, by name."""


def make_media(out: Path, names: Iterable[str] = tuple(MAKERS)) -> dict[str, SampleFile]:
    """Write the named samples into the folder and return their facts."""
    out.mkdir(parents=True, exist_ok=True)
    return {name: _write(out, name) for name in names}


def make_playlists(out: Path, names: Iterable[str] = tuple(PLAYLISTS)) -> dict[str, SamplePlaylist]:
    """Write the named playlists, each into a folder of its own below that one."""
    made = {}
    for name in names:
        folder = out / name
        folder.mkdir(parents=True)
        made[name] = PLAYLISTS[name](folder)
    return made


def _write(out: Path, name: str) -> SampleFile:
    made = MAKERS[name]()
    path = out / (name + made.suffix)
    path.write_bytes(made.data)
    init = None
    if made.init is not None:
        init = out / (name + ".init.mp4")
        init.write_bytes(made.init)
    return SampleFile(name=name, path=path, facts=made.facts, init=init)


def main() -> None:
    """Write everything into the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python samples/make_media.py OUT")
    out = Path(sys.argv[1])
    samples = make_media(out / "media")
    playlists = make_playlists(out / "playlists")
    streams = make_demo_media(out / "demo", seconds=30)
    print(f"{out}: {len(samples)} files, {len(playlists)} playlists, {len(streams)} streams")


if __name__ == "__main__":
    main()
