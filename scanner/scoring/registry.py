"""The installed models: listing, loading and checking them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Final

from scanner.errors import SetupError
from scanner.scoring.golden import check_model
from scanner.scoring.manifest import FILENAME, Manifest, read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import Precision, Provider
from scanner.scoring.priors import with_common_priors
from scanner.scoring.scorer import Scorer
from scanner.scoring.test_card import TestCard

__all__ = [
    "ModelCheck",
    "check_models",
    "default_models_dir",
    "list_models",
    "load_scorers",
]

_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 1 << 20
"""Bytes from which memory is mapped by itself, and unmapped when it is freed (``mallopt``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """The result of checking one model."""

    name: str
    """The name of the model's folder."""
    largest_difference: float | None
    """The largest difference from the golden scores; None if they could not be compared."""
    problem: str
    """The reason why the model cannot be used; empty if it can."""

    @property
    def ok(self) -> bool:
        """True if the model can be used."""
        return not self.problem


def load_scorers(
    models_dir: Path | None = None,
    names: Sequence[str] | None = None,
    *,
    added: Path | None = None,
    provider: Provider = "cpu",
    precision: Precision = "auto",
    threads: int = 1,
) -> tuple[Scorer, ...]:
    """Load the scorers: the test card, then the named models in the order of ``names``.

    Probabilities of labels that several models report are calibrated to one training prior
    (``scanner.scoring.priors``).

    Args:
        models_dir: the folder of models; None for the shipped ones.
        names: the models to load; None for all.
        added: a further folder of models, which come after those of ``models_dir``.

    Raises:
        SetupError: a name has no model or two, or a model does not conform to its manifest.
    """
    folders = _folders(models_dir, added)
    chosen = list(folders) if names is None else list(dict.fromkeys(names))
    found = [_find_folder(folders, name) for name in chosen]
    manifests = with_common_priors([read_manifest(folder) for folder in found])
    loaded = (
        load_onnx(folder, manifest, provider=provider, precision=precision, threads=threads)
        for folder, manifest in zip(found, manifests, strict=True)
    )
    scorers: tuple[Scorer, ...] = (TestCard(), *loaded)
    _release_memory()
    return scorers


def _release_memory() -> None:
    """Give back to the system what parsing and checking the models took: glibc would keep it; and
    from here on each array of a picture, once it is not needed."""
    with suppress(AttributeError):  # another libc
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def list_models(
    models_dir: Path | None = None, *, added: Path | None = None
) -> tuple[Manifest, ...]:
    """Return the manifests of all models in ``models_dir`` by name, then those in ``added``.

    Raises:
        SetupError: a folder does not exist, a manifest is invalid, or two models have one name.
    """
    return tuple(read_manifest(folder) for folder in _folders(models_dir, added).values())


def check_models(
    models_dir: Path | None = None, *, added: Path | None = None, provider: Provider = "cpu"
) -> tuple[ModelCheck, ...]:
    """Load each model and compare its golden scores; all models are checked even if one fails.

    Raises:
        SetupError: a folder does not exist, or two models have one name.
    """
    return tuple(_check_folder(folder, provider) for folder in _folders(models_dir, added).values())


def default_models_dir() -> Path:
    """Return the folder of the shipped models, in the package or in the repository."""
    package = Path(str(files("scanner")))
    packaged = package / "_models"
    return packaged if packaged.is_dir() else package.parent / "models"


def _folders(models_dir: Path | None, added: Path | None) -> dict[str, Path]:
    """Return the folders that contain a manifest, by name: sorted, added models last."""
    for setting, folder in (("models_dir", models_dir), ("models.added", added)):
        if folder is not None and not folder.is_dir():
            raise SetupError(f"{setting} {folder}: no such folder")
    own = _model_folders(models_dir or default_models_dir())
    others = {} if added is None else _model_folders(added)
    if duplicates := sorted(own.keys() & others.keys()):
        name = duplicates[0]
        raise SetupError(
            f"model {name}: is both {own[name]} and {others[name]}, wanted one: "
            "remove one, or set models.dir to a single folder"
        )
    return own | others


def _model_folders(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{FILENAME}"))}


def _find_folder(folders: dict[str, Path], name: str) -> Path:
    if name in folders:
        return folders[name]
    near = get_close_matches(name, folders, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(folders) or 'none'}"
    raise SetupError(f"model {name!r}: not found; {hint}")


def _check_folder(folder: Path, provider: Provider) -> ModelCheck:
    try:
        difference = check_model(folder, provider=provider)
    except SetupError as error:
        return ModelCheck(name=folder.name, largest_difference=None, problem=str(error))
    return ModelCheck(name=folder.name, largest_difference=difference, problem="")
