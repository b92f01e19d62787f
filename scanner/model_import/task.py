"""The sandbox task of an import: wraps an untrusted network and runs it for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

# A CatalogueEntry is unpickled after the sandbox has forbidden imports.
import scanner.model_import.catalogue  # noqa: F401
from scanner.errors import SetupError
from scanner.model_import.classifier import ClassifierSpec
from scanner.model_import.wrap import WrappedGraph, fix_batch, smallest_network, wrap
from scanner.scoring.golden import COUNT_WITH_TEXT, generate_pictures
from scanner.scoring.graph_run import run_one_by_one, supports_batches
from scanner.types import FrameSpec

__all__ = ["WrapRequest", "picture_spec", "trial_pictures", "warm_up", "wrap_in_child"]

SEED: Final = 1
STEP: Final = 3
"""Every third generated picture is tried: the test card, noise of two kinds, and text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapRequest:
    """The arguments of ``wrap_in_child``."""

    classifier: ClassifierSpec
    single_picture: bool = False
    """True if the wrapped graph must declare a batch of one picture."""


def wrap_in_child(
    sources: Sequence[BinaryIO], arguments: WrapRequest, *, name: str, output: BinaryIO
) -> dict[str, Any]:
    """Wrap the network in ``sources[0]``, run it on generated pictures, and write it to ``output``.

    Returns:
        The fields of the ``WrappedGraph`` under "wrapped", or the reason of a refusal under
        "refused".
    """
    try:
        wrapped = wrap(sources[0].read(), arguments.classifier, name=name)
        model = fix_batch(wrapped.model) if arguments.single_picture else wrapped.model
        pictures = trial_pictures(picture_spec(wrapped, arguments.classifier, name))
        rows = run_one_by_one(model, pictures, provider="cpu", name=name)
        supports_batches(model, pictures, rows, provider="cpu", name=name)
    except SetupError as error:
        return {"refused": str(error)}
    output.write(model)
    return {
        "wrapped": {
            **asdict(wrapped),
            "model": "",
            "batches": wrapped.batches and not arguments.single_picture,
        }
    }


def trial_pictures(spec: FrameSpec) -> NDArray[np.uint8]:
    """Return the generated pictures on which a network is tried: N x H x W x 3 uint8."""
    return np.stack(generate_pictures(spec, seed=SEED, count=COUNT_WITH_TEXT)[::STEP])


def picture_spec(wrapped: WrappedGraph, classifier: ClassifierSpec, name: str) -> FrameSpec:
    """Return the frame spec of the network's input.

    Raises:
        SetupError: the input is too small or too large for a frame spec.
    """
    try:
        original = wrapped.original
        return FrameSpec(width=original.width, height=original.height, fit=classifier.fit)
    except ValueError as error:
        raise SetupError(f"model {name}: size of its input is not supported: {error}") from error


def warm_up() -> None:
    """Wrap and run a small network, so that all modules are loaded before imports are forbidden."""
    classifier = ClassifierSpec.model_validate(
        {
            "scale": "1/255",
            "activation": "softmax",
            "labels": {"gun": {"columns": ["0"]}},
            "licence": "none",
            "origin": "scanner.model_import.wrap",
        }
    )
    wrapped = wrap(smallest_network(), classifier, name="warm_up")
    pictures = trial_pictures(picture_spec(wrapped, classifier, "warm_up"))
    run_one_by_one(wrapped.model, pictures, provider="cpu", name="warm_up")
