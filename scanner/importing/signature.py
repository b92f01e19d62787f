"""What a graph says goes in and out, held to what its recipe says; no library's objects, so that it
can be tried without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, Literal

from scanner.errors import SetupError
from scanner.importing.recipe import Recipe

__all__ = ["Port", "Signature", "read_signature"]

DTYPES: Final = ("float", "float16", "uint8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output, as the file declares it."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    """A dimension that may vary has a name, or "?"."""

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {' x '.join(map(str, self.shape))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What goes in and out of a network that the recipe fits."""

    input: Port
    output: Port
    layout: Literal["nhwc", "nchw"]
    width: int
    height: int
    columns: int
    batches: bool
    """Whether it says that the number of pictures may vary; else it takes one."""


def read_signature(
    inputs: Sequence[Port], outputs: Sequence[Port], recipe: Recipe, *, name: str
) -> Signature:
    """Of a graph's inputs, without weights, and its outputs.

    Raises:
        SetupError: it is no image classifier, or not the one that the recipe speaks of.
    """
    model = f"model {name}"
    source = _input(inputs, model)
    result = _output(outputs, recipe, model)
    layout = _layout(source, recipe, model)
    height, width = _size(source, layout, recipe, model)
    return Signature(
        input=source,
        output=result,
        layout=layout,
        width=width,
        height=height,
        columns=_columns(result, recipe, model) if recipe.area is None else _map(result, model),
        batches=_batches(source, model),
    )


def _input(inputs: Sequence[Port], model: str) -> Port:
    if len(inputs) != 1:
        raise SetupError(
            f"{model}: has inputs {', '.join(port.name for port in inputs) or 'none'}, wanted one"
        )
    (source,) = inputs
    if len(source.shape) != 4 or source.dtype not in DTYPES:
        raise SetupError(
            f"{model}: input {source}, wanted {' or '.join(DTYPES)} of 4 dimensions: it is no image classifier"
        )
    return source


def _output(outputs: Sequence[Port], recipe: Recipe, model: str) -> Port:
    ports = {port.name: port for port in outputs}
    if recipe.output is None and len(ports) != 1:
        raise SetupError(
            f"{model}: has outputs {', '.join(ports) or 'none'}: say which with --output"
        )
    wanted = recipe.output or next(iter(ports))
    if wanted not in ports:
        raise SetupError(f"{model}: has no output {wanted!r}; there are {', '.join(ports)}")
    return ports[wanted]


def _layout(source: Port, recipe: Recipe, model: str) -> Literal["nhwc", "nchw"]:
    """Where the graph has its three channels."""
    layouts: dict[Literal["nhwc", "nchw"], int | str] = {
        "nhwc": source.shape[3],
        "nchw": source.shape[1],
    }
    sure = [layout for layout, size in layouts.items() if size == 3]
    fits = [layout for layout, size in layouts.items() if size == 3 or isinstance(size, str)]
    if recipe.layout in fits:
        return recipe.layout
    if recipe.layout is not None or not fits:
        raise SetupError(f"{model}: input {source} is not {recipe.layout or 'of three channels'}")
    if len(sure) != 1 and len(fits) != 1:
        raise SetupError(f"{model}: input {source} may be nhwc or nchw: say which with --layout")
    return (sure or fits)[0]


def _size(source: Port, layout: str, recipe: Recipe, model: str) -> tuple[int, int]:
    """Height and width: the graph's own, or the recipe's where they may vary."""
    axis = 1 if layout == "nhwc" else 2
    wanted = (recipe.height, recipe.width)
    height, width = (
        size if isinstance(size, int) else said
        for size, said in zip(source.shape[axis : axis + 2], wanted, strict=True)
    )
    if height is None or width is None:
        raise SetupError(f"{model}: input {source} may have any size: say which with --input")
    if wanted not in ((None, None), (height, width)):
        raise SetupError(
            f"{model}: takes pictures of {width}x{height}, {recipe.width}x{recipe.height} was said"
        )
    return height, width


def _columns(result: Port, recipe: Recipe, model: str) -> int:
    """As many as the file declares, or the recipe names; a picture's numbers count as one row,
    whatever their shape."""
    sizes = [size for size in result.shape[1:] if isinstance(size, int)]
    declared = prod(sizes) if sizes and len(sizes) == len(result.shape) - 1 else 0
    count = declared or len(recipe.columns)
    if not count:
        raise SetupError(
            f"{model}: output {result} may have any number of columns: name them with --columns"
        )
    if recipe.columns and len(recipe.columns) != count:
        raise SetupError(
            f"{model}: output {result} has {count} columns, {len(recipe.columns)} were named"
        )
    if over := [
        column
        for label in recipe.labels.values()
        for column in label.columns
        if recipe.index(column) >= count
    ]:
        raise SetupError(f"{model}: output {result} has columns 0 to {count - 1}, no {over[0]}")
    return count


def _map(result: Port, model: str) -> int:
    """One column: that of a map over the picture."""
    if len(result.shape) != 4 or not (result.shape[1] == 1 or isinstance(result.shape[1], str)):
        raise SetupError(f"{model}: output {result}, wanted a map of N x 1 x H x W")
    return 1


def _batches(source: Port, model: str) -> bool:
    batch = source.shape[0]
    if isinstance(batch, int) and batch > 1:
        raise SetupError(
            f"{model}: takes {batch} pictures at once, wanted 1 or any number: export it again so"
        )
    return not isinstance(batch, int) or batch < 1
