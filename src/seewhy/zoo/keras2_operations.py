"""TensorFlow's functions in graphs of Keras 2 (TFOpLambda), by their twins in `keras.ops`.

A function is a row of a literal table: nothing that a file names is imported or called otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seewhy.zoo.backend import import_keras
from seewhy.zoo.keras2_layers import CannotRebuild

SAME_OPERATIONS = {
    "math.add": "add", "__operators__.add": "add", "math.subtract": "subtract",
    "__operators__.sub": "subtract", "math.multiply": "multiply", "__operators__.mul": "multiply",
    "math.truediv": "true_divide", "math.divide": "true_divide", "__operators__.truediv":
    "true_divide", "math.pow": "power", "__operators__.pow": "power", "math.maximum": "maximum",
    "math.minimum": "minimum", "math.floordiv": "floor_divide", "math.floormod": "mod",
    "math.abs": "abs", "math.negative": "negative", "math.sign": "sign", "math.exp": "exp",
    "math.log": "log", "math.log1p": "log1p", "math.sqrt": "sqrt", "math.rsqrt": "rsqrt",
    "math.square": "square", "math.reciprocal": "reciprocal", "math.erf": "erf", "math.sin": "sin",
    "math.cos": "cos", "math.floor": "floor", "math.ceil": "ceil", "math.round": "round",
    "math.sigmoid": "sigmoid", "math.tanh": "tanh", "math.softplus": "softplus",
    "nn.relu": "relu", "nn.relu6": "relu6", "nn.sigmoid": "sigmoid", "nn.tanh": "tanh",
    "nn.elu": "elu", "nn.selu": "selu", "nn.softplus": "softplus", "nn.softsign": "softsign",
    "keras.activations.relu": "relu", "math.greater": "greater", "math.less": "less",
    "zeros_like": "zeros_like", "ones_like": "ones_like",
}  # fmt: skip
"""Functions of one or two tensors, x and y, that only have another name in keras.ops."""

REDUCTIONS = {
    "math.reduce_mean": "mean", "math.reduce_sum": "sum", "math.reduce_max": "max",
    "math.reduce_min": "min", "math.reduce_prod": "prod", "math.reduce_std": "std",
    "math.reduce_variance": "var",
}  # fmt: skip
"""Functions of a tensor and axes: input_tensor, axis, keepdims."""

NODES = {
    "RealDiv": "math.truediv", "Sub": "math.subtract", "AddV2": "math.add", "Add": "math.add",
    "Mul": "math.multiply", "Relu": "nn.relu", "Relu6": "nn.relu6", "Sigmoid": "math.sigmoid",
    "Tanh": "math.tanh", "Maximum": "math.maximum", "Minimum": "math.minimum", "Square":
    "math.square", "Exp": "math.exp", "Rsqrt": "math.rsqrt", "Neg": "math.negative", "Identity":
    "identity",
}  # fmt: skip
"""Operations in nodes of TensorFlow 2.0 to 2.3 (TensorFlowOpLayer)."""

WEIGHTS_GREY = (0.2989, 0.587, 0.114)


def call_operation(function: str, arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
    """Call a function of TensorFlow by its twin.

    Args:
        function: as in the file: 'math.truediv', 'nn.relu6', '__operators__.getitem'.
        arguments: what it was called with by place, tensors in their places.
        settings: what it was called with by name.

    Raises:
        CannotRebuild: it has no twin, or a setting of it has none.
    """
    ops = import_keras().ops
    given = {key: value for key, value in settings.items() if key != "name"}
    function = function.removeprefix("compat.v1.")
    if function in SAME_OPERATIONS:
        second = [given.pop("y")] if "y" in given else []
        _nothing_else(given, allowed=())
        both = [_tensor(ops, argument) for argument in (*arguments, *second)]
        return getattr(ops, SAME_OPERATIONS[function])(*both)
    if function in REDUCTIONS:
        axes = given.pop("axis", arguments[1] if len(arguments) > 1 else None)
        keep = given.pop("keepdims", arguments[2] if len(arguments) > 2 else False)
        _nothing_else(given, allowed=())
        axis = tuple(axes) if isinstance(axes, list) else axes
        return getattr(ops, REDUCTIONS[function])(arguments[0], axis=axis, keepdims=bool(keep))
    if function not in OTHER_OPERATIONS:
        raise CannotRebuild(f"tf.{function} has no twin in Keras 3 that is known here")
    try:
        return OTHER_OPERATIONS[function](ops, *arguments, **given)
    except TypeError as error:
        raise CannotRebuild(f"tf.{function} was called with {given}, which is unknown") from error


def name_operations(tensor: Any, name: str, names: set[str]) -> None:
    """Name the operations that a tensor comes from, back to the layers before them.

    Args:
        tensor: a symbolic tensor of Keras.
        name: the new name; further operations get a number.
        names: those in use; the new ones are added.
    """
    keras = import_keras()
    pending = [tensor]
    while pending:
        operation = pending.pop()._keras_history.operation
        if isinstance(operation, keras.layers.Layer) or operation.name in names:
            continue
        unique, count = name, 1
        while unique in names:
            count += 1
            unique = f"{name}_{count}"
        names.add(unique)
        operation.name = unique
        pending += operation._inbound_nodes[0].arguments.keras_tensors


def _nothing_else(given: Mapping[str, Any], *, allowed: Sequence[str]) -> None:
    left = [key for key, value in given.items() if key not in allowed and value is not None]
    if left:
        raise CannotRebuild(f"its setting {left[0]}={given[left[0]]!r:.40} is unknown")


def _one_of(value: Any, *allowed: Any) -> None:
    if value not in allowed:
        raise CannotRebuild(f"its setting {value!r:.40} has no twin in Keras 3")


def _getitem(ops: Any, x: Any, *, slice_spec: Sequence[Any]) -> Any:
    def part(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            if "class_name" in entry:
                return Ellipsis
            return slice(entry.get("start"), entry.get("stop"), entry.get("step"))
        return entry

    spec = [part(entry) for entry in slice_spec]
    if isinstance(x, list | tuple):
        return x[spec[0]]
    flipped = [place for place, entry in enumerate(spec) if entry == slice(None, None, -1)]
    if flipped and Ellipsis in spec and spec.index(Ellipsis) < flipped[0]:
        axes = [place - len(spec) for place in flipped]
        if len(axes) + 1 == len(spec):
            return ops.flip(x, axis=axes[0] if len(axes) == 1 else tuple(axes))
    return x[tuple(spec)]


def _bias_add(ops: Any, value: Any, *, bias: Any, data_format: Any = None) -> Any:
    _one_of(data_format, None, "NHWC", "N...C")
    return ops.add(value, _tensor(ops, bias))


def _concat(ops: Any, values: Any, axis: Any = 0) -> Any:
    return ops.concatenate(values, axis=axis)


def _cast(ops: Any, x: Any, dtype: Any = "float32") -> Any:
    return ops.cast(x, dtype)


def _clip(ops: Any, t: Any, clip_value_min: Any = None, clip_value_max: Any = None) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


def _pool(kind: str) -> Callable[..., Any]:
    def call(
        ops: Any,
        x: Any,
        ksize: Any = None,
        strides: Any = None,
        padding: str = "VALID",
        data_format: Any = None,
    ) -> Any:
        _one_of(data_format, None, "NHWC")
        sides = [
            side[1:3] if _is_list(side) and len(side) == 4 else side for side in (ksize, strides)
        ]
        size, steps = (tuple(side) if _is_list(side) else side for side in sides)
        return getattr(ops, kind)(x, size, strides=steps, padding=padding.lower())

    return call


def _resize(
    ops: Any,
    images: Any,
    size: Any = None,
    method: Any = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Any:
    _one_of(preserve_aspect_ratio, False)
    _one_of(method, "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
    return ops.image.resize(
        images, tuple(size), interpolation=method, antialias=antialias, data_format="channels_last"
    )


def _pad(ops: Any, tensor: Any, paddings: Any = None, mode: str = "CONSTANT", **more: Any) -> Any:
    _one_of(more.get("constant_values", 0), 0)
    return ops.pad(tensor, paddings, mode=mode.lower())


def _matmul(ops: Any, a: Any, b: Any, **more: Any) -> Any:
    def turned(x: Any) -> Any:
        order = list(range(len(x.shape)))
        return ops.transpose(x, (*order[:-2], order[-1], order[-2]))

    _nothing_else(
        {key: value for key, value in more.items() if value},
        allowed=("transpose_a", "transpose_b"),
    )
    first = turned(a) if more.get("transpose_a") else a
    return ops.matmul(first, turned(b) if more.get("transpose_b") else b)


def _standardized(ops: Any, image: Any) -> Any:
    count = 1
    for side in image.shape[-3:]:
        count *= side
    mean = ops.mean(image, axis=(-3, -2, -1), keepdims=True)
    spread = ops.std(image, axis=(-3, -2, -1), keepdims=True)
    return (image - mean) / ops.maximum(spread, count**-0.5)


def _grey(ops: Any, images: Any) -> Any:
    return ops.sum(images * ops.convert_to_tensor(WEIGHTS_GREY), axis=-1, keepdims=True)


def _l2_normalize(ops: Any, x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    axes = tuple(axis) if _is_list(axis) else axis
    length = ops.sum(ops.square(x), axis=axes, keepdims=True)
    return x * ops.rsqrt(ops.maximum(length, epsilon))


def _divide_no_nan(ops: Any, x: Any, y: Any) -> Any:
    return ops.divide_no_nan(x, y)


def _softmax(kind: str) -> Callable[..., Any]:
    def call(ops: Any, logits: Any, axis: Any = None) -> Any:
        return getattr(ops, kind)(logits, axis=-1 if axis is None else axis)

    return call


def _silu(ops: Any, features: Any, beta: float = 1.0) -> Any:
    return ops.silu(features) if beta == 1 else features * ops.sigmoid(beta * features)


def _split(ops: Any, value: Any, num_or_size_splits: Any = None, axis: int = 0) -> Any:
    if not _is_list(num_or_size_splits):
        return ops.split(value, num_or_size_splits, axis=axis)
    ends, total = [], 0
    for size in num_or_size_splits[:-1]:
        total += size
        ends.append(total)
    return ops.split(value, ends, axis=axis)


def _squeeze(ops: Any, x: Any, axis: Any = None) -> Any:
    return ops.squeeze(x, axis=tuple(axis) if _is_list(axis) else axis)


OTHER_OPERATIONS: dict[str, Callable[..., Any]] = {
    "__operators__.getitem": _getitem,
    "nn.bias_add": _bias_add,
    "concat": _concat,
    "stack": lambda ops, values, axis=0: ops.stack(values, axis=axis),
    "unstack": lambda ops, value, axis=0, num=None: ops.unstack(value, num=num, axis=axis),
    "split": _split,
    "cast": _cast,
    "clip_by_value": _clip,
    "reshape": lambda ops, tensor, shape=None: ops.reshape(tensor, tuple(shape)),
    "transpose": lambda ops, a, perm=None, conjugate=False: ops.transpose(a, perm),
    "expand_dims": lambda ops, x, axis=None: ops.expand_dims(x, axis),
    "squeeze": _squeeze,
    "tile": lambda ops, x, multiples=None: ops.tile(x, multiples),
    "reverse": lambda ops, x, axis=None: ops.flip(x, tuple(axis) if _is_list(axis) else axis),
    "pad": _pad,
    "identity": lambda ops, x: x,
    "stop_gradient": lambda ops, x: x,
    "linalg.matmul": _matmul,
    "math.divide_no_nan": _divide_no_nan,
    "math.l2_normalize": _l2_normalize,
    "nn.l2_normalize": _l2_normalize,
    "nn.softmax": _softmax("softmax"),
    "nn.log_softmax": _softmax("log_softmax"),
    "nn.silu": _silu,
    "nn.swish": _silu,
    "nn.gelu": lambda ops, x, approximate=False: ops.gelu(x, approximate=approximate),
    "nn.leaky_relu": lambda ops, x, alpha=0.2: ops.leaky_relu(x, negative_slope=alpha),
    "nn.max_pool2d": _pool("max_pool"),
    "nn.max_pool": _pool("max_pool"),
    "nn.avg_pool2d": _pool("average_pool"),
    "nn.avg_pool": _pool("average_pool"),
    "image.resize": _resize,
    "image.resize_bilinear": lambda ops, x, size, half_pixel_centers=True, **more: _resize(
        ops, x, size
    ),
    "image.per_image_standardization": _standardized,
    "image.rgb_to_grayscale": _grey,
    "math.squared_difference": lambda ops, x, y: ops.square(x - y),
    "keras.backend.mean": lambda ops, x, axis=None, keepdims=False: ops.mean(x, axis, keepdims),
}
"""Functions with settings of their own."""


def _tensor(ops: Any, value: Any) -> Any:
    """Return a constant that the file lists as a tensor."""
    return ops.convert_to_tensor(value, "float32") if _is_list(value) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
