"""Run methods on a network: split batches, share passes, give each method its inputs.

Axes: n image, t target (class), m copy of one image, h row, w column, c channel, k class.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.classifier.familiarity import Familiarity
from seewhy.errors import LayerError, SeewhyWarning, TargetError
from seewhy.explaining.attending import attention_maps
from seewhy.explaining.capturing import ExplainedBatch, explain_batch
from seewhy.explaining.contrast import Differences
from seewhy.explaining.probing import Subject, probe
from seewhy.explaining.question import Question
from seewhy.methods.base import Method, Needs, ProbeResult
from seewhy.methods.fusion import fuse_layers, multiply_layers
from seewhy.networks.base import INPUT, Capture
from seewhy.networks.checks import layers_hint
from seewhy.photos.photo import Placement
from seewhy.photos.reading import Photo
from seewhy.progress import Progress

PHOTOS_AT_ONCE = 8
"""Photos per batch unless given: larger batches are no faster on plain CPUs."""


@dataclass(frozen=True, eq=False)
class MethodResult:
    """The results of one method, photo by photo.

    Attributes:
        maps: (n, t, h, w) raw.
        extras: further results for each photo.
        shown: for each photo what pictures show in place of the raw map, or None.
        explained: for each photo what was explained; None for a callable.
    """

    maps: Float[ndarray, "n t h w"]
    extras: tuple[Mapping[str, ndarray], ...]
    shown: tuple[Callable[[str], ndarray] | None, ...]
    explained: tuple[Differences | None, ...]


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """The network's output for the photos themselves."""

    scores: Float[ndarray, "n k"] | None
    targets: Int[ndarray, "n t"] | None
    values: Float[ndarray, "n t"]
    placements: tuple[Placement, ...]
    familiarity: tuple[Familiarity, ...]
    activations: Float[ndarray, "n ..."] | None = None
    """Of the first layer that was asked, where they were to be kept."""


@dataclass
class _ResultsSoFar:
    """The results of one method so far, batch by batch."""

    maps: list[ndarray] = field(default_factory=list)
    extras: list[Mapping[str, ndarray]] = field(default_factory=list)
    shown: list[Callable[[str], ndarray] | None] = field(default_factory=list)
    explained: list[Differences | None] = field(default_factory=list)

    def add_maps(self, maps: Float[ndarray, "n t h w"]) -> None:
        self.maps.append(maps)
        self.extras += [{}] * len(maps)
        self.shown += [None] * len(maps)

    def add_probe(self, result: ProbeResult) -> None:
        self.maps.append(result.maps[None])
        self.extras.append(result.extras)
        self.shown.append(result.shown)

    def result(self) -> MethodResult:
        maps = np.concatenate(self.maps).astype(np.float32, copy=False)
        return MethodResult(maps, tuple(self.extras), tuple(self.shown), tuple(self.explained))


def run(
    question: Question,
    photos: list[Photo],
    *,
    progress: Progress,
    keep_activations: bool = False,
) -> tuple[dict[str, MethodResult], NetworkResult]:
    """Run every method on every photo, a batch at a time.

    Args:
        question: what is explained, and how.
        photos: the n photos.
        progress: called with (done, total) network inputs: photos, and copies of them.
        keep_activations: return those of the first layer too; where no method needs them, that
            takes one more forward pass.

    Returns:
        The results by method name, and the network's output for the photos.
    """
    collected = {method.name: _ResultsSoFar() for method in question.methods}
    captures: list[Capture] = []
    placements: list[Placement] = []
    familiarity: list[Familiarity] = []
    activations: list[ndarray | None] = []
    meter = Meter(progress, question, len(photos))
    at_once = question.batch_size or PHOTOS_AT_ONCE
    explained: list[ndarray | None] = []
    values: list[ndarray] = []
    for start in range(0, len(photos), at_once):
        batch = photos[start : start + at_once]
        pixels, placed = question.classifier.fit_photos(batch)
        images = question.classifier.to_input(pixels)
        batches = explain_batch(question, images, start)
        capture = next(iter(batches.values())).capture
        if start == 0:
            _warn_of_softmax(question, capture)
            _warn_of_chance(question)
        meter.advance(len(batch))
        for method in question.methods:
            explained_batch = batches[question.contrast_of(method)]
            collected[method.name].explained += explained_batch.of_photos()
            if method.per_batch:
                maps = (
                    attention_maps(question, method, images, explained_batch)
                    if method.attends
                    else run_map(question, method, explained_batch)
                )
                collected[method.name].add_maps(maps)
                continue
            for row in range(len(batch)):
                subject = Subject(
                    classifier=question.classifier,
                    pixels=pixels[row],
                    image=images[row : row + 1],
                    layer=question.layers[0],
                    explained=explained_batch.of_photos()[row],
                    target=targets if callable(targets := question.targets) else None,
                    output=question.output,
                    network=question.network,
                    precision=question.computed.precision,
                    batch_size=question.batch_size,
                    progress=meter.part(),
                )
                result = run_probe(question, method, subject, explained_batch, row)
                collected[method.name].add_probe(result)
        placements += placed
        familiarity += _familiarity(question, images, capture)
        if keep_activations:
            activations.append(_activations(question, images, capture, question.layers[0]))
        captures.append(_without_maps(capture))
        main = batches.get(question.contrast, next(iter(batches.values())))
        explained.append(None if main.explained is None else main.explained.classes)
        values.append(main.combine(main.capture.values))
    results = {name: maps.result() for name, maps in collected.items()}
    return results, NetworkResult(
        scores=_joined([capture.scores for capture in captures]),
        targets=_joined(explained),
        values=np.concatenate(values),
        placements=tuple(placements),
        familiarity=tuple(familiarity),
        activations=_joined(activations),
    )


def _familiarity(
    question: Question, images: Float[ndarray, "n h w c"], capture: Capture
) -> tuple[Familiarity, ...]:
    """Compare photos with the network's training photos, if it contains references.

    Unless the question needs the last map anyway, that takes one more forward pass.
    """
    references = question.classifier.references
    if references is None or capture.scores is None:
        return ()
    classes = question.classifier.probabilities(capture.scores).argmax(axis=1)
    return references.judge(_activations(question, images, capture, references.layer), classes)


def _activations(
    question: Question, images: Float[ndarray, "n h w c"], capture: Capture, layer: str
) -> Float[ndarray, "n ..."]:
    """Return what a layer gave for a batch, from memory or by one more forward pass."""
    if layer == INPUT:
        return images
    if layer in capture.activations:
        return capture.activations[layer]
    activations: Float[ndarray, "n ..."] = question.network.activations(images, [layer])[layer]
    return activations


def _warn_of_softmax(question: Question, capture: Capture) -> None:
    """Warn if scores look like probabilities, such as those of a hand-written softmax."""
    scores = capture.scores
    if scores is None or question.classifier.network.head != "linear" or scores.shape[1] < 2:
        return
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-4):
        warnings.warn(
            f"The outputs of '{question.classifier.name}' are never negative and add up to 1: they "
            "are probabilities, from a softmax that seewhy cannot remove. So probabilities are "
            "explained, and reported through a second softmax. Return the scores before the "
            "softmax, or use the framework's own softmax.",
            SeewhyWarning,
            stacklevel=2,
        )


def _warn_of_chance(question: Question) -> None:
    """Warn if two passes of one photo differ: a map is then one sample of many."""
    if question.classifier.network.is_random:
        warnings.warn(
            f"'{question.classifier.name}' draws random numbers at every pass, as dropout does "
            "where it is always on: two passes of one photo differ. The map and the numbers are "
            "one sample of many. Switch the randomness off for inference, or compare several runs.",
            SeewhyWarning,
            stacklevel=2,
        )


def run_map(question: Question, method: Method, batch: ExplainedBatch) -> Float[ndarray, "n t h w"]:
    """Run a method that looks at layers, for every target; several layers are averaged."""
    per_layer = [
        _layer_maps(question, method, batch, layer)
        for layer in question.layers_of(method)
        if _check_spatial(question, batch.capture, layer)
    ]
    if len(per_layer) == 1:
        return per_layer[0]
    fuse = multiply_layers if method.multiplies else fuse_layers
    return np.stack(
        [fuse([maps[:, t] for maps in per_layer]) for t in range(per_layer[0].shape[1])], axis=1
    )


def _layer_maps(
    question: Question, method: Method, batch: ExplainedBatch, layer: str
) -> Float[ndarray, "n t h w"]:
    """Call a map once for each target, or once if it is the same for all."""
    activations = batch.capture.activations[layer]
    per_target: dict[str, ndarray] = {}
    if Needs.LAYER_GRADIENTS in method.needs:
        per_target["gradients"] = batch.combine(batch.capture.gradients[layer])
    if Needs.CLASS_WEIGHTS in method.needs:
        weights = _class_weights(question, method, batch.capture, layer)
        per_target["weights"] = batch.combine(weights)
    maps = [
        method.function(
            activations=activations, **{name: values[:, t] for name, values in per_target.items()}
        )
        for t in range(1 if method.class_free else batch.count)
    ]
    return np.stack(maps, axis=1)


def _class_weights(
    question: Question, method: Method, capture: Capture, layer: str
) -> Float[ndarray, "n t c"]:
    if capture.targets is None or capture.scores is None:
        raise TargetError(
            f"The method '{method.name}' explains classes, by the classifier's weights, and a "
            "target of your own has none. Use the method 'grad-cam' with it."
        )
    session = question.classifier.session
    weights = session.checked_class_weights(
        layer,
        capture.activations[layer],
        capture.scores,
        capture.targets,
        execution=question.computed,
    )
    chosen: ndarray = weights[capture.targets]
    return chosen


def _check_spatial(question: Question, capture: Capture, layer: str) -> bool:
    shape = capture.activations[layer].shape[1:]
    if len(shape) == 3 and shape[0] * shape[1] > 1:
        return True
    raise LayerError(
        f"The layer '{layer}' of '{question.classifier.name}' has outputs of shape "
        f"{' × '.join(map(str, shape))}: it has no rows and columns to show. Choose a layer with a "
        f"spatial map, such as '{question.classifier.layer}', or list them: "
        f"{layers_hint(question.classifier.name)}"
    )


def run_probe(
    question: Question,
    method: Method,
    subject: Subject,
    batch: ExplainedBatch,
    row: int,
) -> ProbeResult:
    """Run a method that works on one photo, or copies of it, at a time."""
    layer, capture = question.layers[0], batch.capture
    if method.at_layer:
        _check_single(question, method)
        _check_spatial(question, capture, layer)
    gradients = None
    if Needs.LAYER_GRADIENTS in method.needs:
        gradients = batch.combine(capture.gradients[layer])[row]
    return probe(
        method,
        subject,
        activations=capture.activations[layer][row] if method.at_layer else None,
        gradients=gradients,
        options=question.options[method.name],
    )


def _check_single(question: Question, method: Method) -> None:
    if len(question.layers) > 1:
        raise LayerError(
            f"The method '{method.name}' looks at one layer, and {len(question.layers)} were "
            f"named: {', '.join(question.layers)}. Name one."
        )


class Meter:
    """Adds up the network's inputs over photos and methods, for one progress bar."""

    def __init__(self, progress: Progress, question: Question, photos: int) -> None:
        self.progress = progress
        self.done = 0
        self.total = photos * (1 + sum(copies_of(question, method) for method in question.methods))

    def advance(self, inputs: int) -> None:
        """Count inputs that are done."""
        self.done += inputs
        self.total = max(self.total, self.done)
        self.progress(self.done, self.total)

    def part(self) -> Progress:
        """Return the progress function for one probe of one photo."""
        before = 0

        def progress(done: int, total: int) -> None:
            nonlocal before
            self.advance(max(done - before, 0))
            before = done

        return progress


def copies_of(question: Question, method: Method) -> int:
    """Return how many copies of a photo a method runs through the network; 0 for maps."""
    network, layer = question.classifier.network, question.layers[0]
    shape: tuple[int, ...] = (*question.classifier.size, network.input_shape[2])
    if method.at_layer and layer != INPUT:
        shape = next(candidate.shape for candidate in network.layers if candidate.name == layer)
    if method.at_layer and len(shape) != 3:
        return 0  # it cannot be explained, which is said when its output is there
    return method.count_copies(shape, question.options[method.name])


def _without_maps(capture: Capture) -> Capture:
    """Release a batch's activations and gradients, which are large."""
    return replace(capture, activations={}, gradients={})


def _joined(arrays: list[ndarray | None]) -> ndarray | None:
    present = [array for array in arrays if array is not None]
    return np.concatenate(present) if present else None
