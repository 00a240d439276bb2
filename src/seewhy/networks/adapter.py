"""The common part of all adapters: the checks of the methods, and CAM's weights.

Axes: n image, t target, h row, w column, c channel, k class, m copy of one image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import LayerError, NotFinite
from seewhy.networks.base import (
    INPUT,
    SCORES,
    Capture,
    Layer,
    Network,
    Output,
    Targets,
    Top,
    Units,
)
from seewhy.networks.cells import arranged, arrangement_of
from seewhy.networks.checks import (
    by_ending,
    check_finite,
    check_images,
    check_layer,
    check_one_per_image,
    check_targets,
    is_name,
    not_a_cam_network,
    unknown_layer,
)
from seewhy.networks.linear import MEAN, STEPS, LinearMap, PooledSamples, identity
from seewhy.networks.random_weights import LearnedWeight, layer_generator, random_weights
from seewhy.networks.trying import ask


@dataclass(frozen=True, eq=False)
class Objective:
    """What the backward passes start from.

    Attributes:
        targets: what is explained.
        output: which of their values.
        guided: whether every ReLU lets only positive gradients pass backwards.
    """

    targets: Targets
    output: Output = "score"
    guided: bool = False


class StopForward(BaseException):
    """Ends a forward pass when all that is wanted is there; no `except Exception` stops it."""


class Adapter(Network):
    """The verbs of `Network`, as far as no framework is needed.

    Attributes:
        is_pair: whether a single output without a sigmoid is the logit of two classes.
        device: where it computes, as its framework names it; None: where it is.
    """

    is_pair: bool = False
    device: str | None = None
    _needs_company: bool = False
    separator = "/"
    """Between the parts of a layer's path."""

    # What a framework says of its model

    def _parts(self) -> Mapping[str, Any]:
        """Return the framework's own layers by their names, each once, called or not."""
        return {}

    def _aliases(self) -> Mapping[str, Any]:
        """Return them by further names too."""
        return self._parts()

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape per image; () for several outputs."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]:
        """The size of the images that layers are listed for."""

    @abstractmethod
    def _layers_after(self, layer: str) -> Sequence[Layer]:
        """Return the innermost layers that run after a layer, in order."""

    @abstractmethod
    def _linear_map(self, layer: str) -> LinearMap | None:
        """Return the weights of a linear layer or a 1×1 convolution; None for other layers."""

    @abstractmethod
    def _tolerance(self) -> float:
        """Return how far scores may differ, relative to their range, from rounding alone."""

    def _copied(self) -> Adapter:
        """Return a copy, of the model too.

        Raises:
            ModelError: the model cannot be copied; the message says why.
        """
        raise self._lacks("randomized", "cannot be copied with random weights")

    def _learned_weights(self) -> Iterator[LearnedWeight]:
        """Return each weight that training changes, statistics of normalizations too."""
        return iter(())

    # What a framework does; names, targets and images are checked

    @abstractmethod
    def _activations(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...]
    ) -> dict[str, Float[ndarray, "n ..."]]: ...

    @abstractmethod
    def _capture(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture: ...

    @abstractmethod
    def _scores_from(
        self, image: Float[ndarray, "1 h w c"], name: str, activations: Float[ndarray, "m ..."]
    ) -> Float[ndarray, "m k"]: ...

    # The verbs

    def layer_name(self, layer: Any) -> str:
        """Return the name of a layer that is given by it, its unique end, or as an object.

        Raises:
            UnknownLayer: the model has no such layer.
        """
        parts, is_name = self._parts(), isinstance(layer, str)
        if is_name and (layer == INPUT or layer in parts):
            return str(layer)
        part = self._aliases().get(layer) if is_name else layer
        own = next((name for name, candidate in parts.items() if candidate is part), None)
        if own is None and is_name:
            own = by_ending(layer, parts)
        if own is None:
            named = layer if is_name else getattr(layer, "name", type(layer).__name__)
            raise unknown_layer(self.name, named, self.layers)
        return own

    def randomized(self, layers: Sequence[Any] | None = None, *, seed: int = 0) -> Network:
        """Return a copy in which layers, and all inside them, have random weights."""
        names = None if layers is None else [self.layer_name(layer) for layer in layers]
        made = self._copied()
        for weight in made._learned_weights():
            inside = (
                weight.layer == name or weight.layer.startswith(name + self.separator)
                for name in names or ()
            )
            if names is None or any(inside):
                generator = layer_generator(seed, f"{weight.layer}{self.separator}{weight.name}")
                weight.assign(
                    random_weights(
                        weight.name, weight.shape, fan_in=weight.fan_in, generator=generator
                    )
                )
        return made

    def scores(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n k"]:
        """Return the class scores before softmax or sigmoid."""
        return self.activations(images, [SCORES])[SCORES]

    def activations(
        self, images: Float[ndarray, "n h w c"], layers: Sequence[Any]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        """Return the outputs of the layers (names or objects); `SCORES` gives the scores."""
        check_images(self.name, images, self.input_shape)
        names = self._names(layers)
        if SCORES in names:
            self._check_targets(Top(1), len(images))
        activations = ask(self, images, None, lambda some, _: self._activations(some, names))
        check_finite(self.name, _described(activations))
        return arranged(self, activations, images)

    def activations_as_returned(
        self, images: Float[ndarray, "n h w c"], layer: str
    ) -> Float[ndarray, "n ..."]:
        """Return a layer's output with its places in the order in which the layer keeps them."""
        return ask(self, images, None, lambda some, _: self._activations(some, (layer,)))[layer]

    def activations_and_gradients(
        self,
        images: Float[ndarray, "n h w c"],
        layers: Sequence[Any],
        targets: Targets,
        *,
        output: Output = "score",
    ) -> Capture:
        """Return activations and their gradients: one forward pass, one backward per target."""
        return self._checked(images, self._names(layers), Objective(targets, output))

    def input_gradients(
        self,
        images: Float[ndarray, "n h w c"],
        targets: Targets,
        *,
        output: Output = "score",
        guided: bool = False,
    ) -> Capture:
        """Return the gradients by the input; with `guided`, through guided ReLUs."""
        return self._checked(images, (INPUT,), Objective(targets, output, guided))

    def scores_from(
        self,
        image: Float[ndarray, "1 h w c"],
        layer: Any,
        activations: Float[ndarray, "m ..."],
    ) -> Float[ndarray, "m k"]:
        """Return the scores of `image` with the layer's output replaced, m times (Ablation-CAM)."""
        check_images(self.name, image, self.input_shape)
        self._check_targets(Top(1), 1)
        (name,) = self._names([layer])
        arrangement = arrangement_of(self, name, image)
        if arrangement is not None:
            activations = arrangement.undo(activations, self._shape(name))
        step = 1 if self.mixes_images else len(activations)
        parts = [activations[i : i + step] for i in range(0, len(activations), step)]
        times = 2 if self._needs_company and step == 1 else 1
        scores = np.concatenate(
            [
                self._scores_from(image, name, np.repeat(part, times, 0))[: len(part)]
                for part in parts
            ]
        )
        check_finite(self.name, {"scores": scores})
        return scores

    def _checked(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture:
        check_images(self.name, images, self.input_shape)
        unit, targets = None, objective.targets
        if isinstance(targets, Units):
            (unit,) = self._names([targets.layer])
            targets = replace(targets, layer=unit)
        self._check_targets(targets, len(images), unit)
        capture = ask(
            self,
            images,
            targets,
            lambda some, given: self._capture(some, names, replace(objective, targets=given)),
        )
        check_one_per_image(capture.values.shape[:1], len(images))
        check_finite(
            self.name,
            {"scores": capture.scores, "explained values": capture.values}
            | _described(capture.activations)
            | {f"gradients at '{name}'": array for name, array in capture.gradients.items()},
        )
        return replace(
            capture,
            activations=arranged(self, capture.activations, images),
            gradients=arranged(self, capture.gradients, images),
        )

    def _names(self, layers: Sequence[Any]) -> tuple[str, ...]:
        names = []
        for layer in layers:
            name = layer if isinstance(layer, str) and layer == SCORES else self.layer_name(layer)
            if is_name(name):
                check_layer(self.name, name, self.layers)
            names.append(name)
        return tuple(dict.fromkeys(names))

    def _check_targets(self, targets: Targets, images: int, unit: str | None = None) -> None:
        check_targets(
            self.name,
            targets,
            images=images,
            classes=self.classes,
            output_shape=self.output_shape,
            unit_channels=(self._shape(unit) or (None,))[-1],
        )

    def _shape(self, layer: str | None) -> tuple[int, ...]:
        return next((known.shape for known in self.layers if known.name == layer), ())

    def _noise(self, size: tuple[int, int] | None = None) -> Float[ndarray, "2 h w c"]:
        """Return two random images of unlike contrast; of the size that layers are listed for."""
        random = np.random.default_rng(0)
        images = random.uniform(size=(2, *(size or self.image_size), self.input_shape[2]))
        images[1] **= 4
        return images.astype(np.float32)

    def _no_filters(self, name: str) -> NoReturn:
        kind = next((layer.kind for layer in self.layers if layer.name == name), "layer")
        convolutions = [layer.name for layer in self.layers if "Conv" in layer.kind]
        hint = f"such as '{convolutions[0]}'" if convolutions else "but this network has none"
        raise LayerError(
            f"The layer '{name}' of '{self.name}' is of kind {kind} and has no kernels to show. "
            f"Choose a convolution, {hint}."
        )

    # CAM

    def class_weights(self, layer: Any) -> Float[ndarray, "k c"]:
        """Return W of scores = W · mean over h, w of the layer's activations + bias (CAM).

        W is read from the last linear layer or 1×1 convolution of the right shape, and proved by
        trial: it must give the network's own scores for two random images.
        """
        (name,) = self._names([layer])
        if name not in self._proved:
            self._proved[name] = self._prove(name)
        proved = self._proved[name]
        linear_map = self._known_map(proved, name) if proved else None
        if linear_map is None:
            raise not_a_cam_network(self.name, name, self._layers_after(name))
        return linear_map.weights

    @cached_property
    def _proved(self) -> dict[str, str | None]:
        """By layer: the linear layer after it, `STEPS`, `MEAN`; None where CAM does not apply."""
        return {}

    def _prove(self, name: str) -> str | None:
        shape = (self.classes, *self._shape(name)[2:])
        if self.classes is None or len(shape) != 2:
            return None
        after = [later.name for later in self._layers_after(name)]
        if shape[0] == shape[1]:
            after.append(MEAN)
        maps = [(end, self._known_map(end, name)) for end in after]
        maps = [
            (end, linear_map)
            for end, linear_map in maps
            if linear_map and linear_map.weights.shape == shape
        ]
        try:
            pooled = self._pooled(name) if maps and self._may_be_linear(name) else None
            for other, linear_map in reversed(maps):
                if pooled and linear_map and pooled.agrees_with(linear_map, self._tolerance()):
                    return other
            derived = self._derived_map(name)
            if derived is None:
                return None
            pooled = pooled or self._pooled(name)
        except (LayerError, NotFinite):
            return None
        return STEPS if pooled.agrees_with(derived, self._tolerance()) else None

    def _known_map(self, linear: str, layer: str) -> LinearMap | None:
        """Return the map that a linear layer is, or that `STEPS` or `MEAN` stands for."""
        if linear == STEPS:
            return self._derived_map(layer)
        if linear == MEAN:
            return identity(self.classes or 0)
        return self._linear_map(linear)

    def _may_be_linear(self, layer: str) -> bool:
        """Return False where something after the layer is known not to be linear."""
        return True

    def _derived_map(self, layer: str) -> LinearMap | None:
        """Return what several linear layers after a layer are together; None: not known."""
        return None

    def _pooled(self, name: str) -> PooledSamples:
        """Return the means of a layer's map, and the scores, of two random images.

        One by one, as a single photo is explained: what is compiled for it is then there.
        """
        noise = self._noise()
        outputs = [self.activations(image[None], [name, SCORES]) for image in noise]
        maps = np.concatenate([output[name] for output in outputs])
        scores = np.concatenate([output[SCORES] for output in outputs])
        if not maps.any():  # a dead map shows nothing
            maps = np.random.default_rng(1).normal(size=maps.shape).astype(np.float32)
            scores = self.scores_from(noise[:1], name, maps)
        return PooledSamples(maps.mean(axis=(1, 2)), scores)


def _described(arrays: Mapping[str, ndarray]) -> dict[str, ndarray | None]:
    """Name arrays as messages do."""
    return {
        "scores" if name == SCORES else f"activations at '{name}'": array
        for name, array in arrays.items()
    }
