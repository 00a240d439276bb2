"""The interface of a framework: the base class `Network`, and the values that pass through it.

Axes: n image, t target (class), h row, w column, c channel, k class of the network.
Everything is numpy, float32, channels last, on the CPU; no tensor crosses this interface, except
for the user's own callables, which get the framework's tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.attention import AttendedLayers, Reduce
from seewhy.errors import LayerError, ModelError, NotACamNetwork, UnknownLayer, nearest_names
from seewhy.photos.preprocessing import Preprocess

if TYPE_CHECKING:
    from pathlib import Path

    from seewhy.incremental import Engine
    from seewhy.networks.execution import Execution
    from seewhy.networks.weights import FilterBank, Moments, WithCam

Output = Literal["score", "probability", "rest"]
"""What is explained: the score before the softmax or sigmoid, the probability after it, or ReST:
the score plus the logarithm of the probability (Cai, *CAMs as Shapley Value-based Explainers*,
2025, arXiv:2501.06261)."""

Head = Literal["softmax", "sigmoid", "linear"]
"""The end of the network's output: how scores become probabilities."""

INPUT = "input"
"""The name under which the network's own input can be explained like a layer's output."""

SCORES = ":scores"
"""The name under which `activations` returns the class scores of the same forward pass."""


@dataclass(frozen=True)
class Layer:
    """One layer of a network, in the order in which a photo runs through them.

    Attributes:
        name: as the framework names it; a path ('base/conv5', 'layer4.2') in nested models.
        kind: the type's name: 'Conv2D', 'Bottleneck'.
        shape: the output's shape without the batch axis, channels last (h, w, c) for maps;
            () where it is not one tensor.
        calls: how often the layer is called in one forward pass; only 1 can be explained.
        has_tokens: whether rows and columns are a transformer's tokens, folded.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    calls: int = 1
    has_tokens: bool = False

    @property
    def is_spatial(self) -> bool:
        """True for a map that has rows and columns to point at."""
        return len(self.shape) == 3 and (self.shape[0] > 1 or self.shape[1] > 1)


@dataclass(frozen=True)
class Top:
    """Targets: the `count` classes with the highest scores, per image.

    Attributes:
        count: the number of classes.
        also: (n, m) further classes per image, which follow the best ones: such as a true class,
            in the same forward pass, whether it is among the best or not.
    """

    count: int
    also: Int[ndarray, "n m"] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Units:
    """Targets: one channel of a layer per image, as the mean of its activation over the map.

    Attributes:
        layer: the layer's name; its output may be a map or a vector.
        channels: (n), one channel for each image.
    """

    layer: str
    channels: Int[ndarray, " n"]


Targets = Top | Units | Int[ndarray, "_ t"] | Callable[[Any], Any]
"""What to explain: the best classes, a unit of a layer, class indices, or a callable that takes
the network's output (the framework's own tensor, batched, before the softmax unless the
probability is explained) and returns one scalar per image."""


@dataclass(frozen=True, kw_only=True)
class Capture:
    """The results of one forward pass, and one backward pass per target.

    Attributes:
        scores: (n, k) before softmax or sigmoid; None if the output is not one row per image.
        targets: (n, t) the classes that were explained; None for a callable or units.
        values: (n, t) the explained values: scores, probabilities or the callable's (t = 1).
        activations: by layer name, (n, h, w, c); vectors and tokens keep their own shape (n, ...).
        gradients: by layer name, (n, t, ...) the derivative of values[n, t] by activations[n].
        attended: what was kept of attentions, where those were asked for.
    """

    scores: Float[ndarray, "n k"] | None = None
    targets: Int[ndarray, "n t"] | None = None
    values: Float[ndarray, "n t"]
    activations: Mapping[str, Float[ndarray, "n ..."]] = field(default_factory=dict)
    gradients: Mapping[str, Float[ndarray, "n t ..."]] = field(default_factory=dict)
    attended: AttendedLayers | None = None


class Network(ABC):
    """A trained network with a numpy interface: everything that a framework must provide.

    A subclass has the facts and the two verbs that are abstract. What else it does not implement is
    refused in one sentence, or answered by nothing, where that is an answer.

    A network with a single output under a sigmoid counts as two classes with the scores −z and z,
    so that both can be explained, with opposite signs. A single output without a sigmoid is a
    regression, one class with the score z; or such a pair, where the user names two labels. Images
    are float32 (n, h, w, c) in the network's own input range. Every verb leaves the user's model as
    it was found (mode, hooks, requires_grad, .grad, patched calls, global switches), on errors too,
    and threads may share it.

    Attributes:
        name: in messages.
        framework: the library that computes: "tensorflow", "jax" or "torch" (Keras on PyTorch too).
        model: the user's model.
        input_shape: height, width (None: any) and channels that the network takes.
    """

    name: str
    framework: str = "unknown"
    model: Any = None
    input_shape: tuple[int | None, int | None, int]

    # Facts

    @property
    @abstractmethod
    def layers(self) -> Sequence[Layer]:
        """The layers that are called, in the order in which their calls end."""

    @property
    @abstractmethod
    def default_layer(self) -> str:
        """The last layer with a spatial map before pooling or flattening."""

    @property
    @abstractmethod
    def head(self) -> Head:
        """What the output ends in."""

    @property
    @abstractmethod
    def classes(self) -> int | None:
        """How many classes there are: 2 for one sigmoid output, 1 for a regression, None: none."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of several outputs, or their numbers; () for one."""
        return ()

    @property
    def has_gradients(self) -> bool:
        """False where the backward verbs are not implemented."""
        return type(self).activations_and_gradients is not Network.activations_and_gradients

    @property
    def is_current(self) -> bool:
        """False where a network that `computing` returned has older weights than the model."""
        return True

    def layer_name(self, layer: Any) -> str:
        """Return the name of a layer given by name or as the framework's own object.

        Raises:
            UnknownLayer: the network has no such layer.
        """
        names = [known.name for known in self.layers]
        if layer in names:
            return str(layer)
        near = nearest_names(str(layer), names)
        listed = f"The nearest: {near}." if near else f"It has: {', '.join(names)}."
        raise UnknownLayer(f"'{self.name}' has no layer '{layer}'. {listed}")

    def may_move(self, layer: str) -> bool:
        """True where rows and columns may not be those of the photo: crops, pads, reshapes."""
        return False

    @property
    def mixes_images(self) -> bool:
        """True where an image's answer depends on the others beside it: each is then run alone."""
        return False

    @property
    def is_random(self) -> bool:
        """True where two passes of one image differ, as by dropout that is always on."""
        return False

    # Forward

    @abstractmethod
    def scores(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n k"]:
        """Return the class scores before softmax or sigmoid."""

    @abstractmethod
    def activations(
        self, images: Float[ndarray, "n h w c"], layers: Sequence[str]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        """Return the outputs of layers, all from one forward pass.

        The name `SCORES` among the layers returns the class scores (n, k) of that same pass.
        """

    def scores_from(
        self,
        image: Float[ndarray, "1 h w c"],
        layer: str,
        activations: Float[ndarray, "m ..."],
    ) -> Float[ndarray, "m k"]:
        """Return the scores of `image` with the layer's output replaced, m times (Ablation-CAM).

        Only the part after the layer is computed m times.
        """
        raise self._lacks("scores_from", "cannot run from a layer on")

    # Backward

    def activations_and_gradients(
        self,
        images: Float[ndarray, "n h w c"],
        layers: Sequence[str],
        targets: Targets,
        *,
        output: Output = "score",
    ) -> Capture:
        """Return activations and their gradients: one forward pass, one backward pass per target.

        A layer may be `INPUT`. The backward passes run from the scores to the layers and no
        further; no gradient of any parameter is computed.

        Raises:
            UnknownLayer, LayerError: there is none, it is called twice, or is beside the way.
            TargetError: more targets than images or the other way round, or not one per image.
            NotFinite: the network returned NaN or infinity.
        """
        raise self._lacks("activations_and_gradients", "has no gradients at its layers")

    def input_gradients(
        self,
        images: Float[ndarray, "n h w c"],
        targets: Targets,
        *,
        output: Output = "score",
        guided: bool = False,
    ) -> Capture:
        """Return the gradients by the input, under the name `INPUT` in `gradients`.

        With `guided`, every ReLU lets only positive gradients pass backwards (guided
        backpropagation, Springenberg et al. 2015); raises LayerError if there is no ReLU.
        """
        raise self._lacks("input_gradients", "has no gradients by its input")

    def attentions(
        self,
        images: Float[ndarray, "n h w c"],
        targets: Targets | None,
        reduce: Reduce,
        *,
        last: int | None = None,
        output: Output = "score",
        of_blocks: bool = False,
    ) -> Capture:
        """Return what `reduce` keeps of the last attentions (None: of all), with their gradients.

        One forward pass, one backward pass per target to the first of them; None: no gradients.
        With `of_blocks`, they are of the score that each block's own output has.

        Raises:
            LayerError: there are none between tokens of the photo; the message says what is.
        """
        raise LayerError(
            f"'{self.name}' shows no attention. Use a method that needs none, such as occlusion."
        )

    # Weights

    def class_weights(self, layer: str) -> Float[ndarray, "k c"]:
        """Return W of scores = W · mean over h, w of the layer's activations + bias (CAM).

        Raises:
            NotACamNetwork: something else follows the layer; the message says what.
        """
        raise NotACamNetwork(str(self._lacks("class_weights", "has no weights for CAM")))

    def with_cam(self, layer: str, path: Path) -> WithCam:
        """Write the network to a file, with CAM's maps of all classes as one more output.

        Raises:
            NotACamNetwork: as `class_weights`.
            ModelError: it cannot be written, or not to a file of that extension.
        """
        raise self._lacks("with_cam", "cannot be written with its heat")

    def weight_arrays(self) -> Iterable[ndarray]:
        """Return all weights, including non-trainable ones, in the framework's own order.

        Nothing where they are not told.
        """
        return ()

    def layers_with_weights(self) -> list[str]:
        """Name the innermost layers that learn, frozen or not."""
        return []

    def filters(self, layer: str) -> tuple[FilterBank, ...]:
        """Return the filters of a convolution; two sets of a separable one.

        Raises:
            UnknownLayer, LayerError: there is no such layer, or it has no filters.
        """
        raise LayerError(str(self._lacks("filters", "has no filters to show")))

    def randomized(self, layers: Sequence[str] | None = None, *, seed: int = 0) -> Network:
        """Return a copy of the network in which some layers have random weights.

        They depend on the layer's name and the seed alone.

        Args:
            layers: names of layers, and all inside them; None: every layer that learns.
            seed: the same gives the same weights.

        Raises:
            UnknownLayer: no layer has that name.
            ModelError: the model cannot be copied; the message says why.
        """
        raise self._lacks("randomized", "cannot be copied with random weights")

    # What a model tells of its input range

    def remembered(self) -> dict[str, Moments]:
        """Return what the batch normalizations remember of their training inputs, by layer."""
        return {}

    def first_input(
        self, images: Float[ndarray, "n h w c"], names: Collection[str]
    ) -> tuple[str, ndarray] | None:
        """Run up to the first of the layers; return its name and its input, channels last.

        None where none of them is called with a tensor that has numbers.
        """
        return None

    def published(self) -> tuple[Preprocess, str] | None:
        """Return the preprocessing that the model was published with, and where this is known from.

        Told by its layers' names, its settings, or its package; None where nothing tells.
        """
        return None

    # Faster

    def computing(self, execution: Execution) -> Network:
        """Return the same network in another precision; its verbs return float32 as ever.

        Raises:
            ModelError: the framework or the machine does not offer that; the message says why.
        """
        raise ModelError("A network of your own computes in its own precision.")

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs the network, at one size, where a patch changed its input.

        Raises:
            ModelError: the network cannot be read, or its framework has no kernels here.
        """
        raise self._lacks("engine", "has no layers that windows can be re-run in")

    def _lacks(self, verb: str, consequence: str) -> ModelError:
        return ModelError(f"'{self.name}' {consequence}: it does not implement '{verb}'.")
