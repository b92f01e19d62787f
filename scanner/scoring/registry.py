"""Which models there are, and the ones that a configuration names, ready to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from scanner.errors import SetupError
from scanner.scoring.golden import check_model
from scanner.scoring.manifest import FILENAME, Manifest, read_manifest
from scanner.scoring.onnx import Provider, load_onnx
from scanner.scoring.scorer import Scorer
from scanner.scoring.test_card import TestCard

__all__ = ["Check", "check_models", "default_models_dir", "list_models", "load_scorers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What became of one model's check."""

    name: str
    """Of its folder."""
    worst: float | None
    """Largest difference from its golden scores; None where it did not get that far."""
    problem: str
    """Empty where there is none."""

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return not self.problem


def load_scorers(
    models_dir: Path | None = None, names: Sequence[str] | None = None, *, provider: Provider = "cpu", threads: int = 1
) -> tuple[Scorer, ...]:
    """The test card, then the named models in the order of ``names``; None takes all that there are.

    Raises:
        SetupError: a name that no model has, or a model that is not what its manifest says.
    """
    folders = _folders(models_dir)
    chosen = list(folders) if names is None else list(dict.fromkeys(names))
    found = [(folder, read_manifest(folder)) for folder in (_named(folders, name) for name in chosen)]
    return (TestCard(), *(load_onnx(folder, manifest, provider=provider, threads=threads) for folder, manifest in found))


def list_models(models_dir: Path | None = None) -> tuple[Manifest, ...]:
    """The manifests of all models in a folder, by name.

    Raises:
        SetupError: the folder is not there, or a manifest is wrong.
    """
    return tuple(read_manifest(folder) for folder in _folders(models_dir).values())


def check_models(models_dir: Path | None = None, *, provider: Provider = "cpu") -> tuple[Check, ...]:
    """Load every model and compare its golden scores; one that fails does not stop the others.

    Raises:
        SetupError: the folder is not there.
    """
    return tuple(_check(folder, provider) for folder in _folders(models_dir).values())


def default_models_dir() -> Path:
    """The models that came with the package, or those of the repository that it runs from."""
    package = Path(str(files("scanner")))
    packaged = package / "_models"
    return packaged if packaged.is_dir() else package.parent / "models"


def _folders(models_dir: Path | None) -> dict[str, Path]:
    """Model folders by name: those that hold a manifest, sorted."""
    where = models_dir or default_models_dir()
    if models_dir is not None and not where.is_dir():
        raise SetupError(f"models_dir {where}: no such folder")
    return {path.parent.name: path.parent for path in sorted(where.glob(f"*/{FILENAME}"))}


def _named(folders: dict[str, Path], name: str) -> Path:
    if name in folders:
        return folders[name]
    near = get_close_matches(name, folders, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(folders) or 'none'}"
    raise SetupError(f"model {name!r}: not found; {hint}")


def _check(folder: Path, provider: Provider) -> Check:
    try:
        return Check(name=folder.name, worst=check_model(folder, provider=provider), problem="")
    except SetupError as why:
        return Check(name=folder.name, worst=None, problem=str(why))
