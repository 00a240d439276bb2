"""Run a probe on one photo, with what it needs.

Axes: t target (class), m copy of the photo, h row, w column, c channel, k channel of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import OptionError, TargetError
from seewhy.explaining.contrast import Differences
from seewhy.explaining.occluding import EngineSweep, Occlusion, fast_sweep
from seewhy.incremental.kernels import Precision
from seewhy.methods.base import Differentiate, Method, Needs, ProbeResult
from seewhy.methods.occlusion import Reduce
from seewhy.networks.base import INPUT, Capture, Network, Output, Targets
from seewhy.progress import Progress

if TYPE_CHECKING:
    from seewhy.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Subject:
    """One photo under a probe: its network input, and what is explained.

    Attributes:
        classifier: the network and its preprocessing.
        pixels: (h, w, 3) the photo, fitted to the network's input size.
        image: (1, h, w, c) in the network's own input range.
        layer: the explained layer.
        explained: the explained values, as differences of classes; None where `target` is
            explained.
        target: a callable on the network's output; None where classes are explained.
        output: "score" or "probability".
        network: the classifier's `Network`, in the precision asked for.
        precision: in which it computes; an engine's windows too.
        batch_size: copies at a time; None: the method's own choice.
        progress: called with (done, total) copies.
    """

    classifier: Classifier
    pixels: UInt8[ndarray, "h w 3"]
    image: Float[ndarray, "1 h w c"]
    layer: str
    explained: Differences | None
    target: Callable[[Any], Any] | None
    output: Output
    network: Network
    precision: Precision
    batch_size: int | None
    progress: Progress

    def to_input(self, pixels: UInt8[ndarray, "m h w 3"]) -> Float[ndarray, "m h w c"]:
        """Return pixels in the network's own input range."""
        return self.classifier.to_input(pixels)

    def score(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m t"]:
        """Return the explained values of m copies."""
        if self.target is not None:
            return self.network.activations_and_gradients(
                copies, (), self.target, output=self.output
            ).values
        return self.values(self.network.scores(copies))

    def values(self, scores: Float[ndarray, "m k"]) -> Float[ndarray, "m t"]:
        """Return the explained values of copies, from their class scores."""
        assert self.explained is not None
        return self.explained.of_outputs(self.classifier.values(scores, self.output))

    def features(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m ... k"]:
        """Return the explained layer's output for copies."""
        return self.network.activations(copies, [self.layer])[self.layer]

    def downstream(self, activations: Float[ndarray, "m h w c"]) -> Float[ndarray, "m t"]:
        """Return the explained values as a function of the layer's activations."""
        if self.target is not None:
            raise TargetError(
                "This method re-runs the classifier after a layer, and a target of your own is "
                "not computed there. Use the method 'grad-cam' with it."
            )
        if self.layer == INPUT:
            return self.values(self.network.scores(activations))
        return self.values(self.network.scores_from(self.image, self.layer, activations))

    def differentiate(self, *, guided: bool) -> Differentiate:
        """Return the function that differentiates the explained values by the pixels of copies."""

        def differentiate(
            copies: Float[ndarray, "m h w c"],
        ) -> tuple[Float[ndarray, "m t"], Float[ndarray, "m t h w c"]]:
            if self.explained is None:
                assert self.target is not None
                targets: list[Targets] = [self.target]
            elif guided and self.explained.strength.any():
                targets = list(self.explained.targets())
            else:
                classes = np.repeat(self.explained.all_classes(), len(copies), axis=0)
                return self._combined(self._differentiate(copies, classes, guided))
            captures = [self._differentiate(copies, target, guided) for target in targets]
            return (
                np.concatenate([capture.values for capture in captures], axis=1),
                np.concatenate([capture.gradients[INPUT] for capture in captures], axis=1),
            )

        return differentiate

    def _differentiate(
        self, copies: Float[ndarray, "m h w c"], targets: Targets, guided: bool
    ) -> Capture:
        return self.network.input_gradients(copies, targets, output=self.output, guided=guided)

    def _combined(
        self, capture: Capture
    ) -> tuple[Float[ndarray, "m t"], Float[ndarray, "m t h w c"]]:
        """Return the explained values of copies and their gradients, which are as linear as they.

        That does not hold for guided ReLUs, which drop negative gradients: these go through the
        network as differences.
        """
        values, gradients = capture.values, capture.gradients[INPUT]
        assert self.explained is not None
        assert capture.targets is not None
        if self.explained.is_all_of(capture.targets[:1]):
            return values, gradients
        copied = self.explained.repeat(len(values))
        return copied.combine(capture.targets, values), copied.combine(capture.targets, gradients)

    def fast_sweep(
        self,
        windows: Int[ndarray, "m 4"],
        filled: Float[ndarray, "h w c"],
        reduce: Reduce | None,
        *,
        engine: str,
    ) -> EngineSweep | None:
        """Return a faster sweep, if it is requested and worthwhile.

        Raises:
            OptionError: it is requested for a target that is neither a class nor a layer.
        """
        if self.target is not None and reduce is None:
            if engine == "incremental":
                raise OptionError(
                    "engine='incremental' re-runs class scores and feature maps, and a target of "
                    "your own is neither. Leave it out."
                )
            return None
        layer = None if reduce is None else self.layer
        occlusion = Occlusion(self.image[0], filled, self.values, layer, reduce)
        return fast_sweep(
            occlusion,
            self.classifier.session,
            windows,
            engine=engine,
            precision=self.precision,
            progress=self.progress,
        )


def probe(
    method: Method,
    subject: Subject,
    *,
    activations: Float[ndarray, "h w k"] | None,
    gradients: Float[ndarray, "t h w k"] | None,
    options: Mapping[str, Any],
) -> ProbeResult:
    """Run a probe on one photo.

    Args:
        method: a row of METHODS that is a probe.
        subject: the photo, and what is explained.
        activations: of the explained layer, where the method needs them.
        gradients: of the explained layer, where the method needs them.
        options: the method's own, checked.

    Raises:
        OptionError: an option has a value that the method cannot use.
    """
    needs, given = method.needs, dict(options)
    if needs & (Needs.SCORES | Needs.PIXEL_GRADIENTS):
        given["image"] = subject.image[0]
    if Needs.SCORES in needs:
        given["score"] = subject.score
    if Needs.PIXEL_GRADIENTS in needs:
        given["differentiate"] = subject.differentiate(guided=Needs.GUIDED in needs)
    if Needs.ACTIVATIONS in needs:
        given["activations"] = activations
    if Needs.LAYER_GRADIENTS in needs:
        given["gradients"] = gradients
    if Needs.SCORES_FROM_LAYER in needs:
        given["downstream"] = subject.downstream
    if Needs.SCENE in needs:
        given["scene"] = subject
    if Needs.RANDOMNESS in needs:
        given["generator"] = np.random.default_rng(int(given.pop("seed", 0)))
    if Needs.COPIES in needs:
        given["progress"] = subject.progress
        given |= {} if subject.batch_size is None else {"batch_size": subject.batch_size}
    result = method.function(**given)
    assert isinstance(result, ProbeResult)
    return result
