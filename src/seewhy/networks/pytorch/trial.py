"""One trial pass through a PyTorch model: which layers there are, and what its output is.

Axes: n image, h row, w column, c channel, s token, k class.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from seewhy.networks.base import Layer
from seewhy.networks.outputs import output_names
from seewhy.networks.pytorch.functions import VALUE_PRESERVING, Activation, FunctionWatcher
from seewhy.networks.pytorch.hooks import LayerHook, hooked
from seewhy.networks.pytorch.layout import Layout, LayoutTracker, places_of

_POOLING = re.compile(r"Pool(ing)?(\dd)?(Same)?$", re.IGNORECASE)
_CARRIER = re.compile(
    r"(Spatial|Alpha|Feature)*Dropout(\dd)?|StochasticDepth|DropPath|Identity|Flatten|Permute",
    re.IGNORECASE,
)
_PROJECTION = re.compile(r"(NonDynamicallyQuantizable)?Linear|Dense|EinsumDense", re.IGNORECASE)

_INNER = re.compile(r"Att(entio)?n|Downsampl|Mlp|FeedForward|PatchMerging", re.IGNORECASE)
"""Kinds of modules whose inside is no state of a transformer."""

_KEPT_MEANS = 16
"""The means of so many layers are kept: of those whose maps may be what is pooled."""

_LARGE_OUTPUT = 2**22
"""Numbers in an output from which on its mean is taken at once, and the output is let go."""


@dataclass(frozen=True)
class ModuleCall:
    """One call of one module in the trial pass, in the order in which they end.

    Attributes:
        layer: the module as a layer.
        layout: what the axes of its output mean; None where it has no rows and columns.
        ndim: how many axes its output has.
        tensor: which tensor it returned: equal for a block and its last layer, different
            before and after an in-place operation.
        functions: how many functions had returned a tensor before it ended.
    """

    layer: Layer
    layout: Layout | None = None
    ndim: int = 0
    tensor: tuple[int, int] | None = None
    functions: int = 0


@dataclass(frozen=True)
class TrialPass:
    """What the trial pass has shown.

    Attributes:
        size: height and width of the trial images.
        calls: of all modules.
        layers: by name, in the order in which their first calls end.
        layouts: by layer; None where nothing is known of the axes.
        ndims: by layer, how many axes its output has; 0 where it is not one tensor.
        output_shape: per image, channels last; None where the output is not one tensor for each.
        activation: the softmax or sigmoid that the output comes from.
        cuts_gradients: whether the model itself switches gradients off.
        functions: the names of all functions that returned a tensor, in order.
        draws: whether one of them draws random numbers.
        outputs: the names of several outputs, or their numbers; () for one.
        scores: of the trial images, before softmax or sigmoid; None where there are none.
        means: of the last layers' maps over rows and columns, (n, c), by layer.
    """

    size: tuple[int, int]
    calls: tuple[ModuleCall, ...]
    layers: Mapping[str, Layer]
    layouts: Mapping[str, Layout | None]
    ndims: Mapping[str, int]
    output_shape: tuple[int, ...] | None
    activation: Activation | None
    cuts_gradients: bool
    functions: tuple[str, ...]
    draws: bool
    outputs: tuple[str, ...]
    scores: torch.Tensor | None
    means: Mapping[str, torch.Tensor]

    @property
    def has_tokens(self) -> bool:
        """True where a layer's layout holds a grid, which another size of photo would change."""
        return any(layout is not None and layout.grid for layout in self.layouts.values())


def try_out(
    run: Callable[[torch.Tensor], Any],
    images: torch.Tensor,
    layout: Layout,
    modules: Mapping[str, torch.nn.Module],
) -> TrialPass:
    """Run a trial batch and watch every module and every function.

    Args:
        run: calls the model.
        images: at least two, as a model that squeezes its tensors means something else with one;
            in the model's own layout.
        layout: that layout.
        modules: by the names that the layers shall have.
    """
    layouts = LayoutTracker(images, layout)
    watch = FunctionWatcher()
    serials = WeakTensorKeyDictionary()
    calls: list[ModuleCall] = []
    last: deque[tuple[str, torch.Tensor | None, Layout | None, int]] = deque(maxlen=_KEPT_MEANS)
    means: dict[str, torch.Tensor] = {}

    def hook_for(name: str, kind: str) -> LayerHook:
        def hook(inputs: Any, output: Any) -> None:
            if not _is_answer(output, len(images)):
                calls.append(ModuleCall(Layer(name, kind, ())))
                return
            layouts.inherit(output, inputs if isinstance(inputs, tuple) else (inputs,))
            if output not in serials:
                serials[output] = len(calls)
            version = 0 if output.is_inference() else output._version
            actual = layouts.of(output)
            shape = shape_of(tuple(output.shape), actual, layout)
            tensor = (serials[output], version)
            called = len(layouts.functions)
            has_tokens = actual is not None and actual.grid is not None
            layer = Layer(name, kind, shape, has_tokens=has_tokens)
            calls.append(ModuleCall(layer, actual, output.ndim, tensor, called))
            if len(shape) == 3 and output.numel() < _LARGE_OUTPUT:
                last.append((name, output, actual or layout, version))
            elif len(shape) == 3:
                last.append((name, None, None, 0))
                with torch._C.DisableTorchFunction():  # this is no function of the model's
                    means[name] = places_of(output, actual or layout).mean(1)

        return hook

    hooks = {module: hook_for(name, type(module).__name__) for name, module in modules.items()}
    with hooked(hooks), layouts, watch:
        output = run(images)
    watched = watch.cuts_gradients
    activation, scores = None, None
    if isinstance(output, torch.Tensor):
        scores, activation = watch.before_activation(output)
    is_batch = isinstance(output, torch.Tensor) and output.shape[:1] == images.shape[:1]
    return TrialPass(
        size=_size(images, layout),
        calls=tuple(calls),
        layers=_layers(calls),
        layouts={call.layer.name: call.layout for call in reversed(calls)},
        ndims={call.layer.name: call.ndim for call in reversed(calls)},
        output_shape=shape_of(tuple(output.shape), None, layout) if is_batch else None,
        activation=activation,
        cuts_gradients=watched,
        functions=tuple(layouts.functions),
        draws=layouts.draws,
        outputs=output_names(output),
        scores=scores if is_batch else None,
        means=means
        | {
            name: places_of(map_, axes).mean(1)
            for name, map_, axes, version in last
            if map_ is not None and (map_.is_inference() or map_._version == version)
        },
    )


def shape_of(shape: tuple[int, ...], layout: Layout | None, images: Layout) -> tuple[int, ...]:
    """Return a layer's shape without the batch axis, channels last, tokens as rows and columns.

    Args:
        shape: of the tensor.
        layout: as found; None where it is not known.
        images: the layout that a map of unknown make is taken to have.
    """
    if layout is not None and layout.grid is not None:
        return (*layout.grid, shape[layout.channel])
    if len(shape) == 4:
        channel = (layout or images).channel
        return (
            *(side for axis, side in enumerate(shape) if axis not in (0, channel)),
            shape[channel],
        )
    return shape[1:]


def candidates(trial: TrialPass) -> list[str]:
    """Return the layers that may be explained where none is named, the best first.

    They are the last ones with rows and columns. Modules that return the same tensor (a
    block, its stage, its last activation) count as one, and the innermost gives the name.
    What a pooling returns is passed over, and in transformers what is within attention,
    perceptron or downsampler, or a projection, which is no state of the network.
    """
    groups: dict[tuple[int, int], list[ModuleCall]] = {}
    for call in trial.calls:
        if call.tensor is not None:
            groups.setdefault(call.tensor, []).append(call)
    names = []
    for group in reversed(groups.values()):
        named = [call.layer.name for call in group if _may_be_named(call, trial)]
        pooled = any(_POOLING.search(call.layer.kind) for call in group)
        if named and not pooled and group[0].layout is not None and group[0].layer.is_spatial:
            names.append(named[0])
    return names


def layers_after(trial: TrialPass, layer: str) -> list[Layer]:
    """Return the innermost layers that run after a layer, in order; all of them after the input."""
    after = [call.layer for call in trial.calls[_end(trial, layer) :]]
    return [
        later for later in after if not any(_is_within(other, later.name) for other in trial.layers)
    ]


def functions_after(trial: TrialPass, layer: str) -> tuple[str, ...]:
    """Return the names of the functions that are called after a layer."""
    return trial.functions[trial.calls[_end(trial, layer) - 1].functions :]


def ends_linear(trial: TrialPass) -> bool:
    """True where the output is what a linear map returned: scores, and no probabilities."""
    left = [name for name in trial.functions if name not in VALUE_PRESERVING]
    return bool(left) and left[-1] in ("linear", "conv2d", "addmm", "matmul", "__matmul__")


def moves(trial: TrialPass, layer: str) -> bool:
    """True unless a layer's places were followed from the photo's, none of them moved."""
    layout = trial.layouts.get(layer)
    return layout is None or not layout.is_followed


def pads_far(module: torch.nn.Module) -> bool:
    """True for a convolution that is padded by more than its kernel, as in FCN."""
    sides = (
        zip(
            getattr(module, "padding", ()) or (),
            getattr(module, "kernel_size", ()) or (),
            strict=False,
        )
        if isinstance(module, torch.nn.Conv2d) and not isinstance(module.padding, str)
        else ()
    )
    return any(pad > kernel for pad, kernel in sides)


def _end(trial: TrialPass, layer: str) -> int:
    """Return how many calls there are up to the last of a layer."""
    ends = [place for place, call in enumerate(trial.calls, 1) if call.layer.name == layer]
    return ends[-1] if ends else 0


def _is_within(name: str, block: str) -> bool:
    return name.startswith((f"{block}.", f"{block}/"))


def _is_answer(output: Any, images: int) -> bool:
    return (
        isinstance(output, torch.Tensor)
        and output.is_floating_point()
        and output.ndim > 1
        and output.shape[0] == images
    )


def _may_be_named(call: ModuleCall, trial: TrialPass) -> bool:
    kind = call.layer.kind
    if trial.layers[call.layer.name].calls != 1 or _CARRIER.fullmatch(kind):
        return False
    if call.layout is None or call.layout.grid is None:
        return True
    parts = call.layer.name.split(".")[:-1]
    outer = [trial.layers.get(".".join(parts[: end + 1])) for end in range(len(parts))]
    is_inner = any(layer is not None and _INNER.search(layer.kind) for layer in outer)
    return not (is_inner or _PROJECTION.fullmatch(kind))


def _layers(calls: list[ModuleCall]) -> dict[str, Layer]:
    layers: dict[str, Layer] = {}
    counts: dict[str, int] = {}
    for call in calls:
        name = call.layer.name
        counts[name] = counts.get(name, 0) + 1
        first = layers.get(name, call.layer)
        layers[name] = replace(first, calls=counts[name])
    return layers


def _size(images: torch.Tensor, layout: Layout) -> tuple[int, int]:
    height, width = (
        side for axis, side in enumerate(images.shape) if axis not in (0, layout.channel)
    )
    return height, width
