"""Targets other than a class: ready-made callables for `explain(..., target=...)`.

    from seewhy import targets

    seewhy.explain(segmenter, "street.jpg", target=targets.region(car, mask))
    seewhy.explain(classifier, "photo.jpg", target=targets.score(cat) - targets.score(dog))

A target takes the network's output (the framework's own tensor, one row per image, before softmax
or sigmoid) and returns one scalar per image. Targets can be added, subtracted, negated and
multiplied by numbers. Any such function works; these are the usual ones.

Axes: n image, k class, h row, w column, s step of a sentence, a candidate of a detector, d any.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, SupportsIndex

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import TargetError
from seewhy.targets.boxes import best_score, overlap_with, reported
from seewhy.targets.checks import (
    ChannelOrder,
    Pick,
    as_mask,
    bracketed,
    check_axes,
    check_index,
    class_axis,
    picked,
    shape_of,
    whole,
)
from seewhy.targets.tensors import verbs


@dataclass(frozen=True, eq=False)
class Target:
    """A scalar for each image, as a function of the network's output.

        (−t)(output) = −t(output)    (s + t)(output) = s(output) + t(output)    and so on

    Attributes:
        function: f(output) -> (n), in the framework's tensors.
        label: its name in pictures.
    """

    function: Callable[[Any], Any]
    label: str

    def __call__(self, output: Any) -> Any:
        """Return the target's value for each image."""
        return self.function(output)

    def __neg__(self) -> Target:
        return Target(lambda output: -self(output), f"−{bracketed(self.label)}")

    def __add__(self, other: Target) -> Target:
        if not isinstance(other, Target):
            return NotImplemented
        return Target(lambda output: self(output) + other(output), f"{self.label} + {other.label}")

    def __sub__(self, other: Target) -> Target:
        if not isinstance(other, Target):
            return NotImplemented
        return Target(
            lambda output: self(output) - other(output),
            f"{self.label} − {bracketed(other.label)}",
        )

    def __mul__(self, factor: object) -> Target:
        if not isinstance(factor, Real):
            return NotImplemented
        return Target(
            lambda output: self(output) * float(factor),
            f"{float(factor):g} · {bracketed(self.label)}",
        )

    __rmul__ = __mul__


def score(index: SupportsIndex) -> Target:
    """Return the target 'the score of a class': y[n] = output[n, index].

    A network with a single output z has the classes 0 and 1, with the scores −z and z.

    Args:
        index: of the class; `classifier.class_index("cat")` finds it by name.

    Raises:
        TargetError: when it is called: the output is not (n, k), or has no such class.
    """
    index = whole(index, "class")

    def value(output: Any) -> Any:
        check_axes(output, 2, "score", "(n, classes)")
        if output.shape[1] == 1 and index in (0, 1):
            return output[:, 0] if index else -output[:, 0]
        check_index(index, output.shape[1], "class")
        return output[:, index]

    return Target(value, f"class {index}")


def counterfactual(index: SupportsIndex) -> Target:
    """Return the target −y: what lowers the score of the class (counterfactual).

    Source:
        Selvaraju et al., *Grad-CAM*, ICCV 2017, 'Counterfactual explanations' (arXiv:1610.02391).
    """
    return -score(index)


def contrast(index: SupportsIndex, other: SupportsIndex) -> Target:
    """Return the target y[index] − y[other]: the evidence for one class rather than another.

    Differs from: Prabhushankar et al., *Contrastive Explanations in Neural Networks*, ICIP 2020
    (arXiv:2008.00178), who differentiate a loss between the two classes instead.
    """
    return score(index) - score(other)


def value(index: SupportsIndex | None = None) -> Target:
    """Return the target 'the value of a regression': y[n] = output[n], or output[n, index].

    Args:
        index: of the number, if the network returns several per image.

    Raises:
        TargetError: when it is called: the output has several numbers for each image and no index
            was given, or has no such number.
    """
    place = None if index is None else whole(index, "number")

    def one(output: Any) -> Any:
        axes = len(output.shape)
        if axes == 1 and place is None:
            return output
        if axes == 2 and place is None and output.shape[1] == 1:
            return output[:, 0]
        if axes != 2 or place is None:
            raise TargetError(
                f"The network's output has the shape {shape_of(output)}, so one number for each "
                "image must be chosen: targets.value(index), of an output (n, numbers)."
            )
        check_index(place, output.shape[1], "number")
        return output[:, place]

    return Target(one, "value" if place is None else f"value {place}")


def region(
    index: SupportsIndex,
    mask: ndarray | Literal["predicted", "all"] = "predicted",
    *,
    channels: ChannelOrder | None = None,
) -> Target:
    """Return the target 'a class within a region of a semantic segmentation' (Seg-Grad-CAM).

        y[n] = sum over (i, j) in the region of output[n, class, i, j]

    Args:
        index: of the class. An output with one channel z has the classes 0 and 1: −z and z.
        mask: (h, w) at the output's own resolution, true (or not 0) inside the region, the same
            for every image; 'predicted': where no class scores higher, per image; 'all':
            everywhere.
        channels: whether the class axis is 'first', (n, k, h, w), or 'last', (n, h, w, k); None:
            by the mask's shape, or else by the framework: first for PyTorch, last for TensorFlow,
            JAX and Keras on PyTorch.

    Returns:
        The target. If no pixel is in the region, its value is 0, and the map is empty.

    Raises:
        TargetError: the mask is not valid; or, when it is called, the output is not a map, its
            size is not the mask's, or it has no such class.

    Source:
        Vinogradova, Dibrov and Myers, *Towards Interpretable Semantic Segmentation via
        Gradient-weighted Class Activation Mapping*, AAAI 2020 (arXiv:2002.11434).
    """
    index = whole(index, "class")
    inside = None if isinstance(mask, str) else as_mask(mask)
    if isinstance(mask, str) and mask not in ("predicted", "all"):
        raise TargetError(
            f"mask={mask!r} is not a valid region. Give an array (rows, columns), "
            "'predicted' or 'all'."
        )

    def within(output: Any) -> Any:
        check_axes(
            output, 4, "region", "(n, classes, rows, columns) or (n, rows, columns, classes)"
        )
        say = verbs(output)
        axis = class_axis(output, inside, channels)
        count = output.shape[axis]
        binary = count == 1 and index in (0, 1)
        if not binary:
            check_index(index, count, "class")
        place = 0 if binary else index
        scores = output[:, place] if axis == 1 else output[..., place]
        if binary and index == 0:
            scores = -scores
        if inside is not None:
            scores = scores * say.constant(inside, scores)[None]
        elif mask == "predicted":
            highest = say.highest(output, axis)
            highest = highest[:, 0] if axis == 1 else highest[..., 0]
            rival = scores * 0 if binary else highest
            scores = say.where(scores >= rival, scores, scores * 0)
        return say.total(scores, (1, 2))

    where = mask if isinstance(mask, str) else "given"
    return Target(within, f"class {index}, {where} region")


def word(index: SupportsIndex, *, step: SupportsIndex) -> Target:
    """Return the target 'a word of a sentence': y[n] = output[n, step, index].

    For captions: the network is given as a function of the image alone (`call=` of `Classifier`),
    with the words before `step` fed to it.

    Args:
        index: of the word in the vocabulary.
        step: its position in the sentence, from 0; negative counts from the end.

    Raises:
        TargetError: when it is called: the output is not (n, s, words), or lacks the step or word.
    """
    index, step = whole(index, "word"), operator.index(step)

    def spoken(output: Any) -> Any:
        check_axes(output, 3, "word", "(n, steps, words)")
        steps = output.shape[1]
        place = step
        if steps is not None:
            place = step + steps if step < 0 else step
            if not 0 <= place < steps:
                raise TargetError(f"The output has {steps} steps, and there is no step {step}.")
        check_index(index, output.shape[2], "word")
        return output[:, place, index]

    return Target(spoken, f"word {index} at step {step}")


def similarity(embedding: Float[ndarray, "*d"]) -> Target:
    """Return the target 'the similarity of embeddings': the cosine.

        y[n] = sum of output[n] · embedding / (|output[n]| · |embedding|)

    Args:
        embedding: the other image's: what `embedding(classifier, photo)` returns.

    Raises:
        TargetError: it is all zeros; or, when it is called, the output has another shape.
    """
    length = float(np.linalg.norm(np.asarray(embedding, np.float64)))
    if not np.isfinite(length) or length == 0:
        raise TargetError(
            f"The embedding has the length {length:g}, so it has no direction to compare with."
        )
    unit = np.asarray(embedding, np.float64) / length

    def cosine(output: Any) -> Any:
        if tuple(output.shape[1:]) != unit.shape:
            raise TargetError(
                f"The embedding has the shape {unit.shape}, and the network's output has "
                f"{shape_of(output)}. Take both from the same network."
            )
        say = verbs(output)
        axes = tuple(range(1, unit.ndim + 1))
        product = say.total(output * say.constant(unit, output)[None], axes)
        return product / say.root(say.total(output * output, axes))

    return Target(cosine, "similarity")


def embedding(classifier: Any, photo: Any) -> Float[ndarray, " d"]:
    """Return a network's embedding of one photo, to compare others with: see `similarity`.

    Args:
        classifier: a network that returns one vector for each image.
        photo: a file, an array or a PIL image.
    """
    from seewhy.explaining.explain import as_classifier, as_photos

    classifier = as_classifier(classifier)
    photos = as_photos(photo)
    if len(photos) != 1:
        raise TargetError(f"{len(photos)} photos were given. Give the one to compare with.")
    images, _ = classifier.prepare(photos)
    vector: ndarray = classifier.network.scores(images)[0]
    return vector


def detection(
    index: SupportsIndex,
    box: Sequence[float],
    *,
    boxes: Pick = "boxes",
    scores: Pick = "scores",
    overlap: float = 0.5,
) -> Target:
    """Return the target 'a class of a detected box': the score of the candidate there.

        o[n, a] = intersection over union of candidate a and `box`
        y[n]    = score[n, a*, class], a* = argmax over a of o[n, a], if o[n, a*] ≥ overlap

    Candidates that overlap equally well count as one, by their mean score.

    Args:
        index: of the class.
        box: (x0, y0, x1, y1), in the units of the network's boxes.
        boxes: the part of the output with the candidates' corners (n, a, 4), as x0, y0, x1, y1: a
            key, an index, or a function of the output.
        scores: the part with their class scores (n, a, k); likewise.
        overlap: the smallest overlap of a candidate with the box that counts.

    Returns:
        The target. If no candidate overlaps enough, its value is 0, and the map is empty.

    Raises:
        TargetError: the box is not valid; or, when it is called, boxes and scores do not have these
            shapes, or the class does not exist.

    torchvision's detectors return a list of {"boxes": (a, 4), "labels": (a), "scores": (a)}, one
    per image: then candidates with that label are used, and `boxes` and `scores` are not needed.
    """
    index = whole(index, "class")
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not (corners[2] > corners[0] and corners[3] > corners[1]):
        raise TargetError(
            f"box={box!r} is not a valid box. Give (x0, y0, x1, y1) with x0 < x1, y0 < y1."
        )

    def detected(output: Any) -> Any:
        if isinstance(output, list | tuple) and all(
            isinstance(detections, Mapping) for detections in output
        ):
            each = [
                reported(detections, index, corners, overlap, boxes, scores)
                for detections in output
            ]
            return verbs(each[0]).stack(each)
        there, classes = picked(output, boxes), picked(output, scores)
        check_axes(there, 3, "detection", "(n, candidates, 4) for the boxes")
        check_axes(classes, 3, "detection", "(n, candidates, classes) for the scores")
        check_index(index, classes.shape[2], "class")
        return best_score(overlap_with(there, corners), classes[..., index], overlap)

    return Target(detected, f"class {index} in the box")


def part(key: Pick, target: Callable[[Any], Any]) -> Target:
    """Return a target on one part of the output, for networks that return several.

    `part("out", region(15))` explains the segmentations of torchvision, whose output is a dict.

    Args:
        key: a key of a mapping, an index of a sequence, or a function of the output.
        target: of that part.

    Raises:
        TargetError: when it is called: the output has no such part; the message lists its parts.
    """
    label = getattr(target, "label", "target")
    return Target(lambda output: target(picked(output, key)), label)
