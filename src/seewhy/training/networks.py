"""The networks that are trained: the compact one, a head on a known base, and hide-and-seek.

Keras is imported inside the functions. Every saved model is made of Keras's own layers only, so
that it loads without seewhy and in Keras's safe mode. Axes: n photo, h row, w column.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, no_type_check

from seewhy.errors import OptionError
from seewhy.photos.preprocessing import IMAGENET_DEVIATION, IMAGENET_MEAN, IMAGENET_MEAN_BGR_255

LAST_MAP = "last_map"
"""The layer of the compact network that CAM explains."""

BLOCKS = ((48, 2), (96, 2), (96, 1), (144, 2), (144, 1))
"""Channels and stride of the compact network's residual blocks."""

GRIDS = (0, 16, 32, 44, 56)
"""Sizes of hide-and-seek's cells in pixels of a photo of 224; 0 hides nothing (Singh & Lee)."""

REFERENCE = 224
"""The size of photo to which GRIDS belong; on smaller photos the cells shrink alike."""


COLOUR_FILTER = (1, 4, 6, 4, 1)
"""By how much colour is smoothed along rows and columns, in sixteenths."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""


def small_network(
    size: tuple[int, int] | tuple[None, None], classes: int, *, half_colour: bool = True
) -> Any:
    """Build the compact residual network that `--base small` trains from scratch.

        colour    with `half_colour`: colour at half the resolution (`halved_colour`)
        stem      3×3 convolution, stride 2, 24 channels
        stages    residual blocks of 48 (stride 2), 96 (stride 2), 96, 144 (stride 2) and 144
                  channels
        last      1×1 convolution, 256 channels: `last_map`, a sixteenth of the photo's rows
        head      global average pooling, one dense layer, softmax

    Args:
        size: height and width of the photos, None for any; 0 to 255 goes in, the scaling is
            inside.
        classes: the number of classes.
        half_colour: see colour at half the resolution.

    Source:
        He et al., *Deep Residual Learning*, CVPR 2016 (arXiv:1512.03385), blocks of figure 5;
        average pooling on the short way as in He et al., *Bag of Tricks*, CVPR 2019
        (arXiv:1812.01187), section 4.2.
    """
    from keras import Input, Model, layers

    photo = Input((*size, 3), name="photo")
    maps = halved_colour()(photo) if half_colour else photo
    maps = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(maps)
    maps = _convolution(maps, 24, 3, 2, "stem")
    maps = layers.ReLU(name="stem_relu")(maps)
    for number, (channels, stride) in enumerate(BLOCKS, 1):
        maps = _residual(maps, channels, stride, f"block{number}")
    maps = _convolution(maps, 256, 1, 1, "last")
    maps = layers.ReLU(name=LAST_MAP)(maps)
    pooled = layers.GlobalAveragePooling2D(name="pooling")(maps)
    scores = layers.Dense(classes, activation="softmax", name="classes")(pooled)
    return Model(photo, scores, name="small")


def halved_colour() -> Any:
    """Return the fixed layer that keeps brightness and smooths colour: one 5 × 5 convolution.

        x ← g + smoothed(x − g),  g each pixel's grey

    smoothed by the binomial filter 1, 4, 6, 4, 1 in both directions, which halves the resolution as
    JPEG's 4:2:0 does. Photos in files have colour at half resolution, and after resizing at full
    resolution: a network that trained on one of the two fails on the other.
    """
    import numpy as np
    from keras import layers

    line = np.asarray(COLOUR_FILTER) / sum(COLOUR_FILTER)
    grey = np.tile(np.asarray(LUMINANCE)[:, None], (1, 3))  # from red, green, blue to all three
    kernel = np.outer(line, line)[:, :, None, None] * (np.eye(3) - grey)
    kernel[len(line) // 2, len(line) // 2] += grey
    layer = layers.Conv2D(
        3, len(line), padding="same", use_bias=False, trainable=False, name="half_colour"
    )
    layer.build((None, None, None, 3))
    layer.set_weights([kernel.astype(np.float32)])
    return layer


def take_weights(network: Any, source: Any) -> int:
    """Give a network's layers the weights of the source's layers of the same name and shapes.

    Returns:
        The number of layers that took weights.
    """
    given = {layer.name: layer.get_weights() for layer in source.layers}
    taken = 0
    for layer in network.layers:
        weights = given.get(layer.name, [])
        if weights and [weight.shape for weight in weights] == [
            tuple(weight.shape) for weight in layer.weights
        ]:
            layer.set_weights(weights)
            taken += 1
    return taken


def _convolution(maps: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    from keras import layers

    maps = layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(maps)
    return layers.BatchNormalization(name=f"{name}_norm", momentum=0.97)(maps)


def _residual(maps: Any, channels: int, stride: int, name: str) -> Any:
    """Add to the maps what two 3×3 convolutions make of them, the first one with the stride."""
    from keras import layers

    inner = _convolution(maps, channels, 3, stride, f"{name}_1")
    inner = layers.ReLU(name=f"{name}_1_relu")(inner)
    inner = _convolution(inner, channels, 3, 1, f"{name}_2")
    short = maps
    if stride > 1:
        short = layers.AveragePooling2D(stride, padding="same", name=f"{name}_short_pooling")(short)
    if short.shape[-1] != inner.shape[-1]:
        short = _convolution(short, inner.shape[-1], 1, 1, f"{name}_short")
    added = layers.Add(name=f"{name}_add")([inner, short])
    return layers.ReLU(name=f"{name}_relu")(added)


@functools.cache
def hide_and_seek_layer() -> type:
    """Return the Keras layer that hides random cells of each photo while training.

    For each photo a cell size is drawn evenly among `GRIDS`, · photo side / 224 (0: the photo
    stays whole). Each cell of the grid is hidden with the probability `probability`, and takes
    the data set's mean colour. In use, nothing is hidden.

    Differs from the paper: the grid starts at a random point of the photo instead of its corner;
    cells shrink with the photo (the paper's are for 224 × 224); one probability of a cell below
    the paper's 0.5 may be chosen.

    Source:
        Singh & Lee, *Hide-and-Seek*, ICCV 2017 (arXiv:1704.04232), sections 3.1 and 4.1.
    """
    from keras import layers, ops, random

    class HideAndSeek(layers.Layer):  # type: ignore[misc]
        """Hide random cells of each photo while training."""

        @no_type_check  # Keras reads the names of these parameters, which a wrapper would hide
        def __init__(
            self,
            colour: Sequence[float],
            *,
            probability: float = 0.5,
            seed: int | None = None,
            **settings: Any,
        ) -> None:
            super().__init__(**settings)
            self.colour = [float(value) for value in colour]
            self.seed_generator = random.SeedGenerator(seed)
            self.probability = self.add_weight(
                shape=(),
                initializer=lambda shape, dtype=None: ops.full(shape, probability, dtype),
                trainable=False,
                name="probability",
            )

        def call(self, photos: Any, training: bool = False) -> Any:
            """Hide cells, while training only."""
            if not training:
                return photos
            count, height, width = ops.shape(photos)[0], photos.shape[1], photos.shape[2]
            side = min(height, width)
            sizes = [max(1, round(grid * side / REFERENCE)) if grid else 0 for grid in GRIDS]
            cells = max(-(-max(height, width) // size) + 1 for size in sizes if size)
            drawn = random.randint((count,), 0, len(sizes), seed=self.seed_generator)
            size = ops.take(ops.convert_to_tensor(sizes, "int32"), ops.cast(drawn, "int32"))
            whole = ops.equal(size, 0)
            step = ops.maximum(size, 1)[:, None]
            start = random.uniform((count, 2), seed=self.seed_generator)
            hidden = random.uniform((count, cells * cells), seed=self.seed_generator)
            hidden = ops.less(hidden, ops.cast(self.probability, hidden.dtype))

            def line(pixels: int, begin: Any) -> Any:
                offset = ops.cast(ops.floor(begin[:, None] * ops.cast(step, "float32")), "int32")
                index = (ops.arange(pixels, dtype="int32")[None] + offset) // step
                return ops.minimum(index, cells - 1)

            rows, columns = line(height, start[:, 0]), line(width, start[:, 1])
            cell = rows[:, :, None] * cells + columns[:, None, :]
            mask = ops.take_along_axis(hidden, ops.reshape(cell, (-1, height * width)), axis=1)
            mask = ops.reshape(mask, (-1, height, width, 1))
            mask = ops.logical_and(mask, ops.logical_not(whole)[:, None, None, None])
            colour = ops.cast(ops.convert_to_tensor(self.colour), photos.dtype)
            return ops.where(mask, colour, photos)

    layer: type = HideAndSeek
    return layer


def augmented(
    network: Any,
    *,
    shift: float,
    zoom: float,
    flip: bool,
    hide: float,
    colour: Sequence[float],
    seed: int,
) -> Any:
    """Put augmentation in front of a network: what is fitted, while `network` alone is saved.

    Keras's layers flip the photo left to right, shift it and zoom it; hide-and-seek comes last.
    They act in training only and have no weights, so both models share all that is learned.
    """
    from keras import Input, Model, layers

    photo = Input(network.input_shape[1:], name="photo_as_it_is", dtype="uint8")
    changed = layers.Rescaling(1.0, name="as_floats", dtype="float32")(photo)
    if flip:
        changed = layers.RandomFlip("horizontal", seed=seed + 1, dtype="float32")(changed)
    if shift:
        changed = layers.RandomTranslation(
            shift, shift, fill_mode="reflect", seed=seed + 2, dtype="float32"
        )(changed)
    if zoom:
        changed = layers.RandomZoom(
            (-zoom, zoom), fill_mode="reflect", seed=seed + 3, dtype="float32"
        )(changed)
    if hide:
        changed = hide_and_seek_layer()(
            colour, probability=hide, seed=seed + 4, name="hide_and_seek", dtype="float32"
        )(changed)
    return Model(photo, network(changed), name="augmented")


def preprocessing_layers(mode: str) -> list[Any]:
    """Return Keras layers that do what a named preprocessing does, to be saved inside a model.

    'caffe' (blue first, mean subtracted) is a 1 × 1 convolution that swaps red and blue: a layer
    that every Keras loads.

    Raises:
        OptionError: the name is not caffe, tf, torch, unit or none.
    """
    from keras import layers

    if mode == "none":
        return []
    if mode == "tf":
        return [layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")]
    if mode == "unit":
        return [layers.Rescaling(1 / 255, name="scale")]
    if mode == "torch":
        mean = [255 * value for value in IMAGENET_MEAN]
        variance = [(255 * value) ** 2 for value in IMAGENET_DEVIATION]
        return [layers.Normalization(mean=mean, variance=variance, name="scale")]
    if mode == "caffe":
        return [_red_and_blue_swapped(layers)]
    raise OptionError(
        f"The preprocessing {mode!r} cannot be put inside a model. Choose a base whose "
        "preprocessing is one of caffe, tf, torch, unit, none."
    )


def _red_and_blue_swapped(layers: Any) -> Any:
    import numpy as np
    from keras import initializers

    swap = np.eye(3, dtype=np.float32)[::-1][None, None]
    layer = layers.Conv2D(3, 1, name="blue_first_less_mean", trainable=False)
    layer.kernel_initializer = initializers.Zeros()
    layer.build((None, None, None, 3))
    layer.set_weights([swap, -np.asarray(IMAGENET_MEAN_BGR_255, np.float32)])
    return layer
