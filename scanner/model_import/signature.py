"""The inputs and outputs that a graph declares, checked against the description of the classifier.

Independent of the package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, Literal

from scanner.errors import SetupError
from scanner.model_import.classifier import ClassifierSpec

__all__ = ["GraphTensor", "Signature", "read_signature"]

DTYPES: Final = ("float", "float16", "uint8")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphTensor:
    """An input or output of a graph, as the file declares it."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    """The size of each dimension; for one that may vary its name, or "?"."""

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {' x '.join(map(str, self.shape))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The input and output of a network that its description fits."""

    input: GraphTensor
    output: GraphTensor
    layout: Literal["nhwc", "nchw"]
    width: int
    height: int
    columns: int
    batches: bool
    """True if the graph declares that the number of pictures may vary; else it takes one."""


def read_signature(
    inputs: Sequence[GraphTensor],
    outputs: Sequence[GraphTensor],
    classifier: ClassifierSpec,
    *,
    name: str,
) -> Signature:
    """Check a graph's inputs (without weights) and outputs, and return its signature.

    Raises:
        SetupError: it is not an image classifier, or not the described one.
    """
    model = f"model {name}"
    source = _select_input(inputs, model)
    result = _select_output(outputs, classifier, model)
    layout = _derive_layout(source, classifier, model)
    height, width = _size(source, layout, classifier, model)
    return Signature(
        input=source,
        output=result,
        layout=layout,
        width=width,
        height=height,
        columns=_count_columns(result, classifier, model)
        if classifier.area is None
        else _check_map(result, model),
        batches=_takes_batches(source, model),
    )


def _select_input(inputs: Sequence[GraphTensor], model: str) -> GraphTensor:
    if len(inputs) != 1:
        raise SetupError(
            f"{model}: has inputs {', '.join(tensor.name for tensor in inputs) or 'none'}, "
            "wanted one"
        )
    (source,) = inputs
    if len(source.shape) != 4 or source.dtype not in DTYPES:
        raise SetupError(
            f"{model}: input {source}, wanted {' or '.join(DTYPES)} of 4 dimensions "
            "as image classifiers have"
        )
    return source


def _select_output(
    outputs: Sequence[GraphTensor], classifier: ClassifierSpec, model: str
) -> GraphTensor:
    tensors = {tensor.name: tensor for tensor in outputs}
    if classifier.output is None and len(tensors) != 1:
        raise SetupError(
            f"{model}: has outputs {', '.join(tensors) or 'none'}, wanted one: "
            "select it with --output"
        )
    wanted = classifier.output or next(iter(tensors))
    if wanted not in tensors:
        raise SetupError(f"{model}: has no output {wanted!r}; there are {', '.join(tensors)}")
    return tensors[wanted]


def _derive_layout(
    source: GraphTensor, classifier: ClassifierSpec, model: str
) -> Literal["nhwc", "nchw"]:
    """Derive the layout from the position of the three channels."""
    layouts: dict[Literal["nhwc", "nchw"], int | str] = {
        "nhwc": source.shape[3],
        "nchw": source.shape[1],
    }
    certain = [layout for layout, size in layouts.items() if size == 3]
    possible = [layout for layout, size in layouts.items() if size == 3 or isinstance(size, str)]
    if classifier.layout in possible:
        return classifier.layout
    if classifier.layout is not None or not possible:
        wanted = classifier.layout or "three channels"
        raise SetupError(f"{model}: input {source}, wanted {wanted}")
    if len(certain) != 1 and len(possible) != 1:
        raise SetupError(
            f"{model}: input {source} may be nhwc or nchw: select the layout with --layout"
        )
    return (certain or possible)[0]


def _size(
    source: GraphTensor, layout: str, classifier: ClassifierSpec, model: str
) -> tuple[int, int]:
    """Return height and width, which the graph declares or the description gives."""
    axis = 1 if layout == "nhwc" else 2
    wanted = (classifier.height, classifier.width)
    height, width = (
        size if isinstance(size, int) else given
        for size, given in zip(source.shape[axis : axis + 2], wanted, strict=True)
    )
    if height is None or width is None:
        raise SetupError(f"{model}: input {source} may have any size: give it with --input")
    if wanted not in ((None, None), (height, width)):
        raise SetupError(
            f"{model}: takes pictures of {width}x{height}, "
            f"--input is {classifier.width}x{classifier.height}"
        )
    return height, width


def _count_columns(result: GraphTensor, classifier: ClassifierSpec, model: str) -> int:
    """Return the number of columns, which the file declares or the description names.

    An output of another shape than a row is flattened.
    """
    sizes = [size for size in result.shape[1:] if isinstance(size, int)]
    declared = prod(sizes) if sizes and len(sizes) == len(result.shape) - 1 else 0
    count = declared or len(classifier.columns)
    if not count:
        raise SetupError(
            f"{model}: output {result} may have any number of columns: name them with --columns"
        )
    if classifier.columns and len(classifier.columns) != count:
        raise SetupError(
            f"{model}: output {result} has {count} columns, "
            f"--columns names {len(classifier.columns)}"
        )
    if invalid := [
        column
        for label in classifier.labels.values()
        for column in label.columns
        if classifier.index(column) >= count
    ]:
        raise SetupError(
            f"{model}: output {result} has columns 0 to {count - 1}, a label uses {invalid[0]}"
        )
    return count


def _check_map(result: GraphTensor, model: str) -> int:
    """Check that the output is a map over the picture, and return its number of columns, one."""
    if len(result.shape) != 4 or not (result.shape[1] == 1 or isinstance(result.shape[1], str)):
        raise SetupError(f"{model}: output {result}, wanted a map of N x 1 x H x W")
    return 1


def _takes_batches(source: GraphTensor, model: str) -> bool:
    batch = source.shape[0]
    if isinstance(batch, int) and batch > 1:
        raise SetupError(
            f"{model}: takes {batch} pictures at once, wanted 1 or any number: export it so"
        )
    return not isinstance(batch, int) or batch < 1
