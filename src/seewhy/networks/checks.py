"""Checks, with their messages, that all adapters share: layers, images, targets, finite numbers.

Axes: n image, t target, h row, w column, c channel. Numpy only.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import (
    LayerError,
    ModelError,
    NotACamNetwork,
    NotFinite,
    OptionError,
    PhotoError,
    TargetError,
    UnknownLayer,
    nearest_names,
)
from seewhy.networks.base import INPUT, SCORES, Layer, Targets, Top, Units

LARGEST_INPUT = 2**24
"""Pixels of an input; a file may claim any size, and every photo is fitted to it."""

_CONVOLUTION = re.compile(r"(Depthwise|Separable|Lazy)?Conv(\dd)?(Transpose)?", re.IGNORECASE)


class LoadableName(str):
    """A network's name that `seewhy.load` and the command line take; any other names no file."""

    __slots__ = ()


def layers_hint(network: str) -> str:
    """Return what lists a network's layers: a command, or Python for a model in memory."""
    if isinstance(network, LoadableName):
        return f"seewhy layers {shlex.quote(network)}"
    return "classifier.network.layers"


def unknown_layer(network: str, layer: str, layers: Sequence[Layer]) -> UnknownLayer:
    """Return the error for an unknown layer, with the number of convolutions and near names."""
    count = sum(_CONVOLUTION.fullmatch(known.kind) is not None for known in layers)
    names = [known.name for known in layers]
    ends = [name for name in names if re.split(r"[/.]", name)[-1] == layer]
    near = nearest_names(layer, ends or names)
    message = f"'{network}' has no layer '{layer}'. It has {count or 'no'} convolution"
    message += "" if count == 1 else "s"
    if near:
        message += "; the nearest names are " if " and " in near else "; the nearest name is "
        message += f"{near}. Choose one, or list them: {layers_hint(network)}"
    else:
        message += f". List the layers: {layers_hint(network)}"
    return UnknownLayer(message)


def by_ending(layer: str, names: Iterable[str]) -> str | None:
    """Return the one name that ends in a layer's own, in a nested model; None for none or several.

    'conv_pw_13_relu' is 'mobilenet/conv_pw_13_relu' where no other layer is called so.
    """
    matches = [name for name in names if name.endswith((f"/{layer}", f".{layer}"))]
    return matches[0] if len(matches) == 1 else None


def check_layer(network: str, layer: str, layers: Sequence[Layer]) -> None:
    """Raise LayerError unless the layer is called exactly once and returns one tensor."""
    match = next((known for known in layers if known.name == layer), None)
    calls = 0 if match is None else match.calls
    if calls != 1:
        what = "is not called" if calls == 0 else f"is called {calls} times"
        raise LayerError(
            f"'{layer}' {what} when '{network}' runs; only a layer that is called once has one "
            f"map to explain. Choose another, or list them: {layers_hint(network)}"
        )
    if match is not None and not match.shape:
        raise LayerError(
            f"'{layer}' of '{network}' does not answer with one tensor per batch of images. "
            f"Choose another, or list them: {layers_hint(network)}"
        )


def not_on_the_way(network: str, layer: str) -> LayerError:
    """Return the error for a layer that the explained values do not depend on."""
    return LayerError(
        f"What is explained of '{network}' does not depend on '{layer}': it is not on the way "
        f"there. Choose a layer that is, or list them: {layers_hint(network)}"
    )


def no_classes(network: str, outputs: Sequence[str]) -> TargetError:
    """Return the error for classes of a network that has none; it may return several outputs."""
    if not outputs:
        return TargetError(
            f"'{network}' gives no class scores, so there are no classes to explain. "
            "Give target=..., a callable on its output that returns one scalar per photo."
        )
    first = outputs[0] if outputs[0].isdecimal() else repr(outputs[0])
    return TargetError(
        f"'{network}' returns several outputs ({', '.join(outputs)}), and classes are explained "
        f"of one. Choose it: call=lambda model, images: model(images)[{first}] in Python, --output "
        f"{outputs[0]} on the command line. Or give target=..., a callable on all of them."
    )


def no_relu(network: str, activations: Iterable[str]) -> LayerError:
    """Return the error for guided backpropagation without ReLUs, with the activations found."""
    kinds = ", ".join(dict.fromkeys(activations)) or "none"
    return LayerError(
        f"guided backpropagation needs ReLUs, and '{network}' has none on its way; the "
        f"activations found: {kinds}. Use a method without 'guided', such as saliency"
    )


def not_a_cam_network(network: str, layer: str, behind: Sequence[Layer]) -> NotACamNetwork:
    """Return the error for CAM, with the layers found instead of pooling and one linear map."""
    named = [f"{known.name} ({known.kind})" for known in behind]
    if len(named) > 8:
        named = [*named[:4], f"{len(named) - 7} more", *named[-3:]]
    listed = " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]])) or "no layers"
    return NotACamNetwork(
        "CAM needs global average pooling and one linear map, and nothing else, after the "
        f"layer; after '{layer}' of '{network}': {listed}. Use Grad-CAM, which explains any "
        "network"
    )


def no_map(network: str) -> LayerError:
    """Return the error for a network without a layer that has rows and columns."""
    return LayerError(
        f"'{network}' has no layer with a spatial map, one with more than one row or column, "
        f"that is called once; list its layers: {layers_hint(network)}"
    )


def check_images(
    network: str, images: Float[ndarray, "n h w c"], shape: tuple[int | None, int | None, int]
) -> None:
    """Raise PhotoError unless the images have the size and the channels that a network takes."""
    if len(images) == 0:
        raise PhotoError(f"'{network}' was given no image. Give at least one")
    given = images.shape[1:]
    if any(want not in (None, have) for want, have in zip(shape, given, strict=True)):
        height, width, channels = ("any" if side is None else str(side) for side in shape)
        raise PhotoError(
            f"'{network}' takes images of {height}×{width} pixels with {channels} channels "
            f"(height×width), not of {given[0]}×{given[1]} with {given[2]}. Fit them first"
        )


def check_input_shape(
    network: str,
    fixed: tuple[int | None, int | None, int | None],
    size: tuple[int, int] | None,
    channels: int | None,
) -> tuple[int | None, int | None, int]:
    """Combine the input shape of a model with the user's settings.

    Args:
        network: the network's name, for messages.
        fixed: height, width and channels as the model fixes them; None if it does not.
        size: height and width, as the user gave them.
        channels: as the user gave them.

    Returns:
        Height and width, None for any, and channels.

    Raises:
        ModelError: they contradict each other, or the channels are unknown.
    """
    given = (*(size or (None, None)), channels)
    for side, has in zip(given, fixed, strict=True):
        if side is not None and has is not None and side != has:
            raise ModelError(
                f"'{network}' takes images of height, width and channels {fixed}, not {given}. "
                "Leave size and channels out, or give those of the network"
            )
    depth = fixed[2] if fixed[2] is not None else channels
    if depth is None:
        raise ModelError(
            f"'{network}' does not tell which images it takes. Give size=(height, width) and "
            "channels=3 for colour or 1 for grey"
        )
    return fixed[0], fixed[1], depth


def check_input_size(network: str, size: tuple[int, int], channels: int = 3) -> None:
    """Refuse an input that takes more memory than any photo is worth, before one is made.

    Raises:
        OptionError: that is so.
    """
    if size[0] * size[1] * max(channels, 3) > 3 * LARGEST_INPUT:
        raise OptionError(
            f"'{network}' takes photos of {size[0]}×{size[1]} pixels, and one of them would take "
            f"{size[0] * size[1] * max(channels, 3) * 4 / 1e9:.1f} GB. Give a network, or a size, "
            f"of at most {LARGEST_INPUT / 1e6:.0f} megapixels."
        )


def takes_volumes(network: str) -> ModelError:
    """Return the error for a network whose input has an axis of depth or time."""
    return ModelError(
        f"'{network}' takes volumes or videos, and seewhy explains photos, which have no depth or "
        "time. Give a network of single slices or frames, or make a volume of an image, in Python: "
        "seewhy.Classifier(model, size=..., channels=3, call=lambda model, image: model(...))"
    )


def check_targets(
    network: str,
    targets: Targets,
    *,
    images: int,
    classes: int | None,
    output_shape: tuple[int, ...] = (),
    unit_channels: int | None = None,
) -> None:
    """Raise TargetError unless the targets fit the number of images and the network.

    Args:
        network: the network's name, for messages.
        targets: as the verbs take them.
        images: the number of images.
        classes: the network's number of classes, None without classes.
        output_shape: of the network per image, for the message if there are no classes.
        unit_channels: the number of channels of the layer of `Units`.
    """
    if isinstance(targets, Units):
        _check_units(targets, images, unit_channels)
        return
    if callable(targets):
        return
    if classes is None:
        shape = f"the shape {output_shape} per image" if output_shape else "several parts"
        raise TargetError(
            f"'{network}' has no classes: its output has {shape}, not one row of "
            "scores. Give a callable as target"
        )
    if isinstance(targets, Top):
        if targets.count < 1:
            raise TargetError(f"the {targets.count} best classes were asked for. Ask for 1 or more")
        if targets.also is not None:
            _check_classes(network, targets.also, images, classes)
        return
    _check_classes(network, targets, images, classes)


def _check_classes(network: str, targets: Int[ndarray, "m t"], images: int, classes: int) -> None:
    if len(targets) != images:
        raise TargetError(
            f"{len(targets)} lists of classes were given for {images} images. Give one list for "
            "each image"
        )
    if targets.shape[1] == 0:
        raise TargetError("an empty list of classes was given. Name at least one class")
    wrong = targets[(targets < 0) | (targets >= classes)]
    if wrong.size:
        raise TargetError(
            f"'{network}' has no class {wrong[0]}: it has {classes} classes, 0 to {classes - 1}"
        )


def _check_units(targets: Units, images: int, channels: int | None) -> None:
    if len(targets.channels) != images:
        raise TargetError(
            f"{len(targets.channels)} channels of '{targets.layer}' were given for {images} "
            "images. Give one channel for each image"
        )
    if channels is None:
        return
    wrong = targets.channels[(targets.channels < 0) | (targets.channels >= channels)]
    if wrong.size:
        raise TargetError(
            f"'{targets.layer}' has no channel {wrong[0]}: it has {channels} channels, 0 to "
            f"{channels - 1}"
        )


def check_one_per_image(shape: Sequence[int | None], images: int | None) -> None:
    """Raise TargetError unless a target's value has the shape (n,).

    Args:
        shape: of the value.
        images: n; None if it is unknown while a function is traced.
    """
    fits = len(shape) == 1 and (images is None or shape[0] is None or shape[0] == images)
    if not fits:
        sides = ["n" if side in (None, images) else str(side) for side in shape[:1]]
        sides += [str(side) for side in shape[1:]]
        given = ", ".join(sides) + ("," if len(shape) == 1 else "")
        raise TargetError(
            f"the target returned an array of the shape ({given}); it must return one number per "
            "image: the shape (n,)"
        )


def check_finite(network: str, arrays: Mapping[str, ndarray | None]) -> None:
    """Raise NotFinite if an array contains NaN or infinity.

    Args:
        network: the network's name, for the message.
        arrays: by their names in the message: "scores", "gradients at 'conv5'".
    """
    for what, array in arrays.items():
        if array is None or np.isfinite(array).all():
            continue
        kind = "NaN" if np.isnan(array).any() else "infinity"
        raise NotFinite(
            f"{kind} came out of '{network}', in its {what}. Check the images' range (the "
            "preprocessing) and the network's weights"
        )


def is_name(layer: str) -> bool:
    """True for the name of a layer of the network itself, not the input or the scores."""
    return layer not in (INPUT, SCORES)


def explained_classes(
    targets: Targets, scores: Float[ndarray, "n k"] | None
) -> Int[ndarray, "n t"] | None:
    """Return the indices of the classes that are explained; None for a unit and a callable."""
    if isinstance(targets, Top):
        assert scores is not None
        best = np.argsort(-scores, axis=1, kind="stable")[:, : targets.count]
        return best if targets.also is None else np.concatenate([best, targets.also], axis=1)
    return targets if isinstance(targets, ndarray) else None


def check_ending(name: str, path: Path, ending: str) -> None:
    """Refuse a file of another kind than the one that a framework writes.

    Raises:
        ModelError: the path has another extension.
    """
    if path.suffix.lower() != ending:
        raise ModelError(
            f"'{name}' is written to a file ending in {ending}, not in '{path.suffix}'. Name it so."
        )
