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
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import Precision, Provider
from scanner.scoring.priors import at_one_prior
from scanner.scoring.scorer import Scorer
from scanner.scoring.test_card import TestCard

__all__ = [
    "Check",
    "check_models",
    "default_models_dir",
    "list_models",
    "load_scorers",
]


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
    models_dir: Path | None = None,
    names: Sequence[str] | None = None,
    *,
    added: Path | None = None,
    provider: Provider = "cpu",
    precision: Precision = "auto",
    threads: int = 1,
) -> tuple[Scorer, ...]:
    """The test card, then the named models in the order of ``names``; None takes all that there
    are.

    Models are those of ``models_dir``, or the shipped ones, and after them those of ``added``.
    Where several know a label, their probabilities are told at one training prior
    (``scanner.scoring.priors``).

    Raises:
        SetupError: a name that no model or two models have, or a model that is not what its
            manifest says.
    """
    folders = _folders(models_dir, added)
    chosen = list(folders) if names is None else list(dict.fromkeys(names))
    found = [_named(folders, name) for name in chosen]
    manifests = at_one_prior([read_manifest(folder) for folder in found])
    loaded = (
        load_onnx(folder, manifest, provider=provider, precision=precision, threads=threads)
        for folder, manifest in zip(found, manifests, strict=True)
    )
    return (TestCard(), *loaded)


def list_models(
    models_dir: Path | None = None, *, added: Path | None = None
) -> tuple[Manifest, ...]:
    """The manifests of all models in a folder, by name, then those of ``added``.

    Raises:
        SetupError: a folder is not there, a manifest is wrong, or two models have one name.
    """
    return tuple(read_manifest(folder) for folder in _folders(models_dir, added).values())


def check_models(
    models_dir: Path | None = None, *, added: Path | None = None, provider: Provider = "cpu"
) -> tuple[Check, ...]:
    """Load every model and compare its golden scores; one that fails does not stop the others.

    Raises:
        SetupError: a folder is not there, or two models have one name.
    """
    return tuple(_check(folder, provider) for folder in _folders(models_dir, added).values())


def default_models_dir() -> Path:
    """The models that came with the package, or those of the repository that it runs from."""
    package = Path(str(files("scanner")))
    packaged = package / "_models"
    return packaged if packaged.is_dir() else package.parent / "models"


def _folders(models_dir: Path | None, added: Path | None) -> dict[str, Path]:
    """Model folders by name: those that hold a manifest, sorted, the added ones last."""
    for setting, folder in (("models_dir", models_dir), ("models.added", added)):
        if folder is not None and not folder.is_dir():
            raise SetupError(f"{setting} {folder}: no such folder")
    own = _within(models_dir or default_models_dir())
    others = {} if added is None else _within(added)
    if twice := sorted(own.keys() & others.keys()):
        name = twice[0]
        raise SetupError(
            f"model {name}: is both {own[name]} and {others[name]}: take one away, or name one folder in models.dir"
        )
    return own | others


def _within(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{FILENAME}"))}


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
