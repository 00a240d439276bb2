"""A network from the zoo as the base of a new one: global average pooling and one dense layer.

The saved network is one flat Keras model of Keras's own layers, preprocessing included: 0 to 255
goes in, and CAM applies.
"""

from __future__ import annotations

import re
from typing import Any

from seewhy.classifier.labels import IMAGENET
from seewhy.errors import ModelError, OptionError
from seewhy.networks import is_keras
from seewhy.training.networks import preprocessing_layers
from seewhy.zoo.names import ModelName, parse_name

BLOCK = re.compile(r"(?:^|_)(conv_[dp]w_\d+|block_?\d+[a-z]?|conv\d+_block\d+)(?:_|$)")
"""How keras.applications names the layers of a block: 'block5_conv1', 'conv_pw_13_bn'."""


def build_on_base(
    base: str, classes: int, *, size: tuple[int, int], any_size: bool = False
) -> tuple[Any, str]:
    """Build photo → preprocessing → base → global average pooling → dense → softmax.

    Args:
        base: a name in the zoo ('vgg19', 'mobilenet?alpha=0.75&weights=FILE') or a Keras file.
        classes: the number of classes.
        size: height and width of the photos.
        any_size: let the model take photos of other sizes too.

    Returns:
        The model, and the name of its last map.

    Raises:
        OptionError: the base's preprocessing cannot be put inside, or the base has no such size.
        ModelError: the base is not a Keras model, or has no map to pool.
    """
    from keras import Input, Model, layers

    base_model, preprocess = _base_maps(base, size)
    photo = Input((None, None, 3) if any_size else (*size, 3), name="photo")
    values = photo
    for layer in preprocessing_layers(preprocess):
        values = layer(values)
    # `call`, not `()`: the base's layers become this model's own, not a model within it.
    maps = base_model.call(values)
    if maps.shape[1:3] == (1, 1):
        raise OptionError(
            f"The last map of '{base}' has one pixel for photos of {size[0]}×{size[1]}: a heatmap "
            "needs more. Give a larger size."
        )
    pooled = layers.GlobalAveragePooling2D(name="pooling")(maps)
    scores = layers.Dense(classes, activation="softmax", name="classes")(pooled)
    model = Model(photo, scores, name="network")
    return model, _layer_before_pooling(model)


def pooled_part(model: Any) -> Any:
    """Return the part of a model up to its global average pooling: what a frozen base computes."""
    from keras import Model

    return Model(model.input, model.get_layer("pooling").output, name="features")


def blocks_of(model: Any) -> list[list[Any]]:
    """Return the layers of each block of the base that has weights, first block first.

    Layers belong together whose names hold the same block ('block5_conv1', 'conv5_block3_out');
    convolutions of a depthwise pair ('conv_dw_13', 'conv_pw_13') likewise. Where names tell
    nothing, each convolution starts a block.
    """
    blocks: list[list[Any]] = []
    current: str | None = None
    for layer in _base_layers(model):
        match = BLOCK.search(layer.name)
        name = re.sub(r"^conv_[dp]w_", "pair", match[1]) if match else None
        is_convolution = "Conv" in type(layer).__name__
        if not blocks or (name != current if name else is_convolution):
            blocks.append([])
        current = name
        blocks[-1].append(layer)
    return [block for block in blocks if any(layer.weights for layer in block)]


def split_before(model: Any, count: int) -> tuple[Any, Any] | None:
    """Return a model's part before its last `count` blocks, and the rest, which shares its layers.

    Returns:
        None where more than one map passes from the one to the other, as beside a shortcut.
    """
    from keras import Model

    # The layer's last call is this model's own: the first was in the base.
    (middle,) = blocks_of(model)[-count][0]._inbound_nodes[-1].input_tensors
    try:
        rest = Model(middle, model.output, name="rest")
    except ValueError:  # Keras: the output depends on other inputs too
        return None
    return Model(model.input, middle, name="before"), rest


def unfreeze(model: Any, count: int) -> None:
    """Make only the last `count` blocks and the dense layer trainable.

    Batch normalization keeps the base's statistics: it stays frozen in every block.

    Raises:
        OptionError: the base has fewer blocks.
    """
    from keras import layers

    blocks = blocks_of(model)
    if count > len(blocks):
        raise OptionError(
            f"The base has {len(blocks)} blocks, and {count} should be fine-tuned. Give a number "
            f"from 0 to {len(blocks)}."
        )
    freeze(model)
    for block in blocks[len(blocks) - count :]:
        for layer in block:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)


def freeze(model: Any) -> None:
    """Make only the dense layer trainable."""
    for layer in _base_layers(model):
        layer.trainable = False


def _base_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if layer.name not in ("pooling", "classes")]


def _base_maps(base: str, size: tuple[int, int]) -> tuple[Any, str]:
    """Return the base from its input to its last map, and its preprocessing."""
    from seewhy.zoo.keras import application_key
    from seewhy.zoo.load import load

    name = parse_name(base)
    key = application_key(name.base)
    if key:
        return _application_maps(key, name, size)
    classifier = load(base, size=size)
    model = classifier.network.model
    if not is_keras(model) or not hasattr(model, "get_layer"):
        raise ModelError(
            f"The base '{base}' is not a Keras model, and training needs Keras. Choose one of "
            "keras.applications (seewhy models) or a .keras file."
        )
    if not isinstance(classifier.preprocess, str):
        raise OptionError(
            f"The preprocessing of '{base}' is a function, which cannot be put inside a model. "
            "Name one of caffe, tf, torch, unit, none: BASE?preprocess=tf"
        )
    return _up_to(model, classifier.layer, base), classifier.preprocess


def _application_maps(key: str, name: ModelName, size: tuple[int, int]) -> tuple[Any, str]:
    """Build a network of keras.applications without its classifier, at any size."""
    from keras import Model

    from seewhy.zoo.keras import APPLICATIONS, build_application

    row = APPLICATIONS[key]
    without = dict(name.arguments) | {"include_top": "false"}
    without.pop("classes", None)
    headless = ModelName(
        name.text,
        name.base,
        name.settings,
        name.weights if name.weights in (None, IMAGENET) else "none",
        without,
    )
    loaded = build_application(key, headless, size=size)
    if name.weights not in (None, IMAGENET, "none"):
        _take_weights_of_file(loaded.model, key, name)
    model = loaded.model
    if len(model.output.shape) != 4:
        raise ModelError(
            f"The base '{name.text}' ends in no map: its output has the shape "
            f"{tuple(model.output.shape[1:])}. Leave pooling= out of its name."
        )
    preprocess = name.settings.get("preprocess", row.preprocess)
    return Model(model.input, _without_last_pooling(model), name=model.name), preprocess


def _take_weights_of_file(model: Any, key: str, name: ModelName) -> None:
    """Give a base the weights of a file: its own, or those of the network with its classifier.

    For the second, the whole network is built at its own size, and the base takes what it shares.

    Raises:
        ModelError: the file fits neither.
    """
    from seewhy.zoo.keras import build_application, load_keras_weights

    assert name.weights is not None
    try:
        load_keras_weights(model, name.weights, name=name.base)
    except ModelError:
        arguments = {"include_top": "true"} | dict(name.arguments)
        whole = ModelName(name.text, name.base, name.settings, name.weights, arguments)
        weights = build_application(key, whole, size=None).model.get_weights()
        model.set_weights(weights[: len(model.get_weights())])


def _without_last_pooling(model: Any) -> Any:
    """Return the last map, from before a max-pooling that ends the base (VGG): CAM's is finer so.

    Source:
        Zhou et al., *Learning Deep Features for Discriminative Localization*, CVPR 2016
        (arXiv:1512.04150), section 3: layers are removed for a finer last map.
    """
    last = model.layers[-1]
    return last.input if type(last).__name__ == "MaxPooling2D" else model.output


def _up_to(model: Any, layer: str, base: str) -> Any:
    from keras import Model

    if "/" in layer:
        raise ModelError(
            f"The base '{base}' is a model within a model: its last map is '{layer}'. Give the "
            "inner model as a file of its own."
        )
    output = model.get_layer(layer).output
    if len(output.shape) != 4:
        raise ModelError(
            f"The layer '{layer}' of the base '{base}' has no map to pool: its output has the "
            f"shape {tuple(output.shape[1:])}. Choose another base."
        )
    return Model(model.input, output, name=model.name)


def _layer_before_pooling(model: Any) -> str:
    """Return the name of the layer whose map is pooled."""
    return str(model.layers[-3].name)
