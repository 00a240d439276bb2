"""Layers of Keras 2 as layers of Keras 3: their settings are repaired as data; no code is run.

What Keras 2 wrote and Keras 3 no longer takes is left out where it changes nothing (initializers,
`groups: 1`), and a setting that would change the numbers is refused by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from seewhy.zoo.backend import import_keras

RUNS_CODE = ("Lambda", "TorchModuleWrapper", "TFSMLayer")
"""Layers that contain code, or load it from elsewhere; refused by every version of Keras."""


class CannotRebuild(ValueError):
    """A layer of Keras 2 has no twin in Keras 3; why, in words."""


HARMLESS_VALUES = {
    "groups": (1,),
    "renorm": (False,),
    "time_major": (False,),
    "sparse": (False,),
    "ragged": (False,),
    "data_format": ("channels_last",),
    "dilation_rate": (1, [1, 1], (1, 1)),
}
"""Settings that Keras 3 lacks in some layers, and what they are, besides None, without effect."""

WITHOUT_EFFECT = frozenset({
    "batch_input_shape", "batch_shape", "input_shape", "input_dtype", "output_dtype", "rng_type",
    "renorm_clipping", "renorm_momentum", "fused", "adjustment", "force_generator", "vectorized",
    "auto_vectorize", "implementation", "experimental_autocast", "autocast", "stateful", "unroll",
    "query_shape", "key_shape", "value_shape", "expects_training_arg", "input_dim", "seed",
    "dynamic", "build_config", "trainable", "shared_object_id", "zero_output_for_mask",
})  # fmt: skip
"""Settings of training, of speed, or of shapes that the graph tells anyway."""

RENAMED_SETTINGS = {("LeakyReLU", "alpha"): "negative_slope"}

CLASSES = {
    "SyncBatchNormalization": "BatchNormalization",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "Convolution2D": "Conv2D",
    "MultiHeadAttentionV2": "MultiHeadAttention",
}
"""Old names of classes that are called otherwise now."""

INNER_LAYERS = ("layer", "backward_layer", "cell")
"""Settings that are a layer themselves."""


def repaired_layer(class_name: str, config: Mapping[str, Any], name: str) -> Any:
    """Build a layer from the configuration that Keras 2 wrote of it.

    Args:
        class_name: of the layer, as in the file.
        config: its settings.
        name: what it is called now; Keras 3 allows no '/' in a name.

    Raises:
        CannotRebuild: Keras 3 has no such layer, or a setting of it has no twin.
    """
    keras = import_keras()
    kind = _class_of(keras, class_name)
    accepted = _accepted(kind)
    settings: dict[str, Any] = {}
    for key, value in config.items():
        new = RENAMED_SETTINGS.get((class_name, key), key)
        if new == "name" or new.endswith(("_initializer", "_regularizer", "_constraint")):
            continue  # all weights are loaded, and nothing is trained
        if new in INNER_LAYERS and isinstance(value, Mapping):
            inner = value.get("config", {})
            inner_name = new_name(str(inner.get("name", name)))
            settings[new] = repaired_layer(str(value.get("class_name")), inner, inner_name)
        elif new in accepted:
            settings[new] = _value(new, value)
        elif new not in WITHOUT_EFFECT and value not in (None, *HARMLESS_VALUES.get(new, ())):
            raise CannotRebuild(f"its setting {key}={value!r:.40} has no twin in Keras 3")
    try:
        return kind(**settings, name=name)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise CannotRebuild(str(error).strip().partition("\n")[0]) from error


def new_name(name: str) -> str:
    """Return a layer's name without '/', which Keras 3 keeps for paths."""
    return name.replace("/", "_")


def _class_of(keras: Any, class_name: str) -> Any:
    if class_name in RUNS_CODE:
        raise CannotRebuild("it is code, and seewhy runs no code in files")
    registered = keras.saving.get_registered_object(class_name)
    if registered is not None:
        return registered
    if class_name in ("LayerScale", "StochasticDepth"):
        from keras.src.applications import convnext

        return getattr(convnext, class_name)
    kind = getattr(keras.layers, CLASSES.get(class_name, class_name), None)
    if not (isinstance(kind, type) and issubclass(kind, keras.layers.Layer)):
        raise CannotRebuild("Keras 3 has no layer of that class")
    return kind


@lru_cache(maxsize=256)
def _accepted(kind: type) -> frozenset[str]:
    """Return the settings that a class of layers takes."""
    names: set[str] = set()
    for ancestor in kind.__mro__[:-1]:
        parameters = inspect.signature(ancestor.__init__).parameters  # type: ignore[misc]
        names |= {key for key, how in parameters.items() if how.kind is not how.VAR_KEYWORD}
        if all(how.kind is not how.VAR_KEYWORD for how in parameters.values()):
            break  # it hands nothing on
    return frozenset(names - {"self", "args", "autocast", "activity_regularizer"})


def _value(key: str, value: Any) -> Any:
    if key == "dtype":
        return _dtype(value)
    if key.endswith("activation"):
        return activation(value)
    if key == "axis" and isinstance(value, list) and len(value) == 1:
        return value[0]
    return value


def _dtype(value: Any) -> Any:
    """Return a policy's name: 'mixed_float16'."""
    if isinstance(value, Mapping):
        inner = value.get("config")
        return inner.get("name") if isinstance(inner, Mapping) else None
    return value


def activation(value: Any) -> Any:
    """Return an activation as Keras 3 takes it.

    Raises:
        CannotRebuild: Keras 3 has no such activation.
    """
    keras = import_keras()
    if isinstance(value, Mapping):
        value = value.get("config") if isinstance(value.get("config"), str) else value
        if isinstance(value, Mapping):
            inner = value.get("config")
            name = new_name(str(inner.get("name", "activation"))) if isinstance(inner, dict) else ""
            return repaired_layer(str(value.get("class_name")), inner or {}, name)
    if value is None:
        return None
    replacements: dict[str, Callable[..., Any]] = {"hard_sigmoid": hard_sigmoid_of_keras_2()}
    if value in replacements:
        return replacements[value]
    try:
        keras.activations.get(value)
    except (ValueError, TypeError) as error:
        raise CannotRebuild(f"Keras 3 has no activation '{value}'") from error
    return value


@lru_cache(maxsize=1)
def hard_sigmoid_of_keras_2() -> Callable[..., Any]:
    """Return Keras 2's hard sigmoid: clip(0.2 x + 0.5, 0, 1). That of Keras 3 has the slope 1/6."""
    keras = import_keras()

    @keras.saving.register_keras_serializable("seewhy", "hard_sigmoid_of_keras_2")  # type: ignore[untyped-decorator]
    def hard_sigmoid_of_keras_2(x: Any) -> Any:
        return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)

    function: Callable[..., Any] = hard_sigmoid_of_keras_2
    return function
