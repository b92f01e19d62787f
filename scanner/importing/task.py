"""The child's side: somebody's network taken apart, put into our form and run for the first time,
where it can do no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

# A recipe of the catalogue is unpickled once the sandbox forbids imports.
import scanner.importing.catalogue  # noqa: F401
from scanner.errors import SetupError
from scanner.importing.recipe import Recipe
from scanner.importing.wrap import Wrapped, fix_batch, smallest, wrap
from scanner.scoring.golden import COUNT_WITH_TEXT, generate_pictures
from scanner.scoring.graph_run import run_one_by_one, supports_batches
from scanner.types import FrameSpec

__all__ = ["Order", "made_up_pictures", "picture_spec", "try_in_child", "warm_up"]

SEED: Final = 1
EVERY: Final = 3
"""The card, noise of two kinds and writing: enough to see that it is not blind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made of the file."""

    recipe: Recipe
    alone: bool = False
    """It is to say that it takes one picture at a time."""


def try_in_child(
    sources: Sequence[BinaryIO], arguments: Order, *, name: str, output: BinaryIO
) -> dict[str, Any]:
    """Write the network in our form, once it has looked at made-up pictures on the CPU; gives what
    is known of it, or why it is refused."""
    try:
        wrapped = wrap(sources[0].read(), arguments.recipe, name=name)
        model = fix_batch(wrapped.model) if arguments.alone else wrapped.model
        drawn = made_up_pictures(picture_spec(wrapped, arguments.recipe, name))
        rows = run_one_by_one(model, drawn, provider="cpu", name=name)
        supports_batches(model, drawn, rows, provider="cpu", name=name)
    except SetupError as why:
        return {"refused": str(why)}
    output.write(model)
    return {
        "wrapped": {
            **asdict(wrapped),
            "model": "",
            "batches": wrapped.batches and not arguments.alone,
        }
    }


def made_up_pictures(spec: FrameSpec) -> NDArray[np.uint8]:
    """On which a network is tried: N x H x W x 3 uint8."""
    return np.stack(generate_pictures(spec, seed=SEED, count=COUNT_WITH_TEXT)[::EVERY])


def picture_spec(wrapped: Wrapped, recipe: Recipe, name: str) -> FrameSpec:
    """What it looks at.

    Raises:
        SetupError: nobody can make such pictures.
    """
    try:
        return FrameSpec(width=wrapped.was.width, height=wrapped.was.height, fit=recipe.fit)
    except ValueError as why:
        raise SetupError(f"model {name}: takes pictures that cannot be made: {why}") from why


def warm_up() -> None:
    """Wrap and run a network of one operator, so that whatever is loaded at the first use has been
    loaded."""
    recipe = Recipe.model_validate(
        {
            "scale": "1/255",
            "activation": "softmax",
            "labels": {"gun": {"columns": ["0"]}},
            "licence": "none",
            "origin": "made here",
        }
    )
    wrapped = wrap(smallest(), recipe, name="warm_up")
    run_one_by_one(
        wrapped.model,
        made_up_pictures(picture_spec(wrapped, recipe, "warm_up")),
        provider="cpu",
        name="warm_up",
    )
