"""What a Keras model is made of, before it runs: its layers by path, its images, its layout.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from seewhy.attention import Grid as TokenGrid
from seewhy.errors import ModelError
from seewhy.networks.attending import token_grids
from seewhy.networks.base import Head, Layer
from seewhy.networks.checks import takes_volumes
from seewhy.networks.keras.private import backend, functional, inner_layers
from seewhy.networks.keras.tokens import Grid, TokenGrids
from seewhy.networks.outputs import output_names

_NOT_EXPLAINED = ("Pool", "Dropout", "Pad", "Cropping", "EinsumDense", "Softmax")
"""Kinds that are never the default: what shrinks or pads a map, and the heads of attention."""

_MOVERS = (
    "Crop", "GetItem", "Slice", "Reshape", "Permute", "Transpose", "Roll", "Flip", "Lambda", "Take",
    "Moveaxis", "Swapaxes", "Einsum", "Resizing", "Patch", "Split", "Unstack",
)  # fmt: skip
"""Kinds of layers and operations after which rows and columns may not be where they were."""

VOLUME_AXES = 5
"""Of an input with rows, columns and depth or time."""

FAILURES = (ValueError, TypeError, RuntimeError, AssertionError, LookupError)
"""What a model may raise when it is called with images that it cannot take."""


@dataclass(frozen=True)
class ModelOutput:
    """One run of a model, in the backend's tensors.

    Attributes:
        output: as the model returned it.
        scores: the same structure with a softmax or sigmoid at the end taken off.
        head: what was taken off; "linear" for nothing, and for several outputs.
        activations: the names of the activation functions met, in order.
    """

    output: Any
    scores: Any
    head: Head
    activations: Sequence[str]


@dataclass(frozen=True)
class ModelStructure:
    """What one abstract run, with no numbers in it, has shown of a model.

    Attributes:
        layers: in the order in which their calls end.
        outputs: by layer name, (shape, dtype) of one image's output, in the model's own layout.
        default_layer: None where no layer has a map.
        grids: by layer name, where the patches are that its tokens stand for.
        candidates: in a transformer, layers that may be explained by default, the last first.
        head: what the output ends in.
        classes: how many; None where the output is not one row per image.
        output_shape: per image; () for several outputs.
        outputs_named: the names of several outputs, or their numbers; () for one.
        mixes: whether a batch normalization is on the statistics of the batch.
        draws: whether random numbers are drawn.
        is_plain: whether all layers are Keras's own.
    """

    layers: tuple[Layer, ...]
    outputs: Mapping[str, tuple[tuple[int, ...], str]]
    default_layer: str | None
    grids: Mapping[str, Grid]
    candidates: tuple[str, ...]
    head: Head
    classes: int | None
    output_shape: tuple[int, ...]
    outputs_named: tuple[str, ...] = ()
    mixes: bool = False
    draws: bool = False
    is_plain: bool = False

    @property
    def token_grids(self) -> dict[int, list[TokenGrid]]:
        """The grids of the layers, by how many tokens they have."""
        return token_grids(
            (layer, getattr(self.grids.get(layer.name), "prefix", 0))
            for layer in self.layers
            if layer.is_spatial
        )


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield every layer and operation inside a model with its path, each object once."""
    seen = {id(model)}

    def children(parent: Any) -> list[Any]:
        inside = list(getattr(parent, "operations", None) or [])
        # Also what a subclassed model or a compound layer holds as attributes or in lists.
        inside += inner_layers(parent)
        return [child for child in inside if not isinstance(child, keras.layers.InputLayer)]

    def descend(parent: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        counts: dict[str, int] = {}
        for child in children(parent):
            if id(child) in seen:
                continue
            seen.add(id(child))
            counts[child.name] = count = counts.get(child.name, 0) + 1
            path = prefix + child.name + (f"#{count}" if count > 1 else "")
            yield path, child
            if isinstance(child, keras.layers.Layer):
                yield from descend(child, f"{path}/")

    return descend(model, "")


def channels_first(operations: Iterable[Any]) -> bool:
    """True where a model's own maps are (n, c, h, w)."""
    for operation in operations:
        layout = getattr(operation, "data_format", None)
        if layout in ("channels_first", "channels_last"):
            return bool(layout == "channels_first")
    return bool(keras.config.image_data_format() == "channels_first")


def input_shape(
    model: Any, *, is_channels_first: bool
) -> tuple[int | None, int | None, int | None]:
    """Return height, width and channels as the model tells them: of its first image input."""
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or []]
    config = model.get_build_config() or {}
    shapes += [tuple(shape) for shape in config.values() if isinstance(shape, tuple | list)]
    for shape in shapes:
        if len(shape) == 4:
            height, width, depth = shape[2:] + shape[1:2] if is_channels_first else shape[1:]
            return height, width, depth
    return None, None, None


def check_inputs(model: Any, network: str, call: Any) -> None:
    """Refuse a model that takes more than images, unless the user's function calls it.

    Raises:
        ModelError: it has several inputs, or takes volumes; the message says what to do.
    """
    inputs = getattr(model, "inputs", None) or []
    if call is None and any(len(tensor.shape) == VOLUME_AXES for tensor in inputs):
        raise takes_volumes(network)
    names = [str(tensor.name) for tensor in inputs]
    if call is not None or len(names) < 2:
        return
    listed = ", ".join(f"'{name}'" for name in names)
    raise ModelError(
        f"'{network}' has {len(names)} inputs ({listed}), and a photo is one. Say what the others "
        "get, in Python: seewhy.Classifier(model, call=lambda model, images: model([images, ...]))"
    )


def channels_by_trial(
    network: str, size: tuple[int, int], run: Callable[[tuple[int, int], int], None]
) -> int:
    """Return how many channels a model's images have that does not tell: 3, or else 1.

    Args:
        network: the model's name, for the message.
        size: height and width of its images.
        run: runs the model at a size, with a number of channels.

    Raises:
        ModelError: it runs with neither.
    """
    failures = []
    for channels in (3, 1):
        try:
            run(size, channels)
        except FAILURES as error:
            failures.append(f"with {channels}: {str(error).strip().splitlines()[0]}")
        else:
            return channels
    height, width = size
    raise ModelError(
        f"'{network}' does not tell how many channels its images have, and runs at "
        f"{height}×{width} pixels with neither 3 nor 1 ({'; '.join(failures)}). Give the size and "
        "channels that it takes."
    )


def structure_of(
    operations: Mapping[str, Any],
    run: ModelOutput,
    calls: Sequence[tuple[str, Any]],
    tokens: TokenGrids,
    *,
    classes: int | None,
    is_channels_first: bool,
) -> ModelStructure:
    """Return what an abstract run of a model shows.

    Args:
        operations: every layer and operation by its name.
        run: the run.
        calls: each layer's name and its output, in the order in which calls ended.
        tokens: where patches were turned into tokens.
        classes: how many classes the scores have.
        is_channels_first: whether maps are (n, c, h, w).
    """
    names = [name for name, _ in calls]
    last = {name: place for place, name in enumerate(names)}
    layers, outputs, default = [], {}, None
    grids: dict[str, Grid] = {}
    candidates: list[str] = []
    seen: set[int] = set()
    for place, (name, output) in enumerate(calls):
        fresh, spec = id(output) not in seen, _spec(output)
        seen.add(id(output))
        if last[name] != place:
            continue
        shape = () if spec is None else spec[0][1:]
        if is_channels_first and len(shape) == 3:
            shape = (*shape[1:], shape[0])
        grid = None if spec is None else tokens.of(spec[0])
        if grid is not None:
            grids[name] = grid
            shape = (grid.rows, grid.columns, shape[1])
        kind = type(operations[name]).__name__
        layer = Layer(name, kind, shape, names.count(name), has_tokens=grid is not None)
        layers.append(layer)
        if spec is not None:
            outputs[name] = spec
        # A nested model, a dropout or an identity hands on the very tensor of another layer.
        plain = fresh and not any(word in kind for word in _NOT_EXPLAINED)
        if plain and layer.is_spatial and layer.calls == 1:
            default = name
            if grid is None or not isinstance(operations[name], keras.layers.Dense):
                candidates.append(name)
    nested = keras.tree.is_nested(run.output)
    return ModelStructure(
        layers=tuple(layers),
        outputs=outputs,
        default_layer=default,
        grids=grids,
        candidates=tuple(reversed(candidates)),
        head=run.head,
        classes=classes,
        output_shape=() if nested else tuple(run.output.shape)[1:],
        outputs_named=output_names(run.output),
    )


def _spec(output: Any) -> tuple[tuple[int, ...], str] | None:
    """Return shape and dtype of a layer's answer if it is one tensor for one image."""
    shape = getattr(output, "shape", None)
    if shape is None or len(shape) < 2 or shape[0] != 2 or any(side is None for side in shape):
        return None
    return (1, *(int(side) for side in shape[1:])), backend.standardize_dtype(output.dtype)


def moves(model: Any, operations: Mapping[str, Any], structure: ModelStructure, layer: str) -> bool:
    """True where something before the end of a layer may move rows and columns."""
    if functional(model) is None:
        return True
    for known in structure.layers:
        operation = operations[known.name]
        pads = np.ravel(getattr(operation, "padding", 0)) if "ZeroPadding" in known.kind else ()
        inner = isinstance(operation, keras.Model) and functional(operation) is None
        if inner or any(word in known.kind for word in _MOVERS) or max(pads, default=0) > 7:
            return True
        if not type(operation).__module__.startswith("keras."):
            return True
        if known.name == layer:
            return False
    return True


AFTER_SCORES = frozenset(
    {"Activation", "Softmax", "Resizing", "UpSampling2D", "Reshape", "Permute", "Rescaling"}
)
"""Kinds of layers that may follow the scores of every place."""


def before_scores(structure: ModelStructure, learning: Sequence[str]) -> str | None:
    """Return the last layer before the one that scores every place, in a segmentation.

    None where the output is a map of features, as of a network without its head: one that a
    normalization, a ReLU, an addition or a pooling made.

    Args:
        structure: of a model whose output is a map.
        learning: the layers with weights.
    """
    order = [layer.name for layer in structure.layers]
    ends = [order.index(name) for name in order if name in learning]
    last = structure.default_layer
    if not ends or last is None or order.index(last) < ends[-1]:
        return None
    scorer, *further = [layer.kind for layer in structure.layers[ends[-1] :]]
    if "Norm" in scorer or not AFTER_SCORES.issuperset(further):
        return None
    return next(
        (candidate for candidate in structure.candidates if order.index(candidate) < ends[-1]), None
    )
