"""Explain photos: join methods, a network and photos.

Axes: n image, t target (class), h w rows and columns of a map, c channel, k class of the network.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.errors import OptionError
from seewhy.explaining.budget import best_method, check_budget
from seewhy.explaining.contrast import Differences, as_contrast
from seewhy.explaining.measuring import measure
from seewhy.explaining.prediction import Prediction, Rivals
from seewhy.explaining.provenance import provenance_of
from seewhy.explaining.question import (
    Question,
    as_targets,
    check_options,
    default_method,
    find_method,
    is_class_free,
    layer_names,
    take_execution,
)
from seewhy.explaining.result import Explanation
from seewhy.explaining.running import NetworkResult, run
from seewhy.explaining.zooming import check_zoom, zoom_in
from seewhy.incremental.kernels import Precision
from seewhy.methods import METHODS
from seewhy.networks.base import Output
from seewhy.photos.reading import Photo, find_photos, read_ahead, read_photo
from seewhy.progress import Progress, no_progress

PREDICTIONS = 5
"""Predictions reported per photo, unless more classes are explained."""


def explain(
    classifier: Any,
    photos: Any,
    *,
    method: str | None = None,
    budget: int | None = None,
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    target: Any = None,
    contrast: Any = None,
    layer: Any = None,
    output: Output = "score",
    zoom: int = 1,
    batch_size: int | None = None,
    precision: Precision = "float32",
    progress: Progress = no_progress,
    **options: Any,
) -> Explanation:
    """Show which places of each photo speak for a class.

    Args:
        classifier: what `seewhy.load` returns, a `Classifier`, a name or file that `load` knows,
            or a bare Keras or PyTorch model whose input range is 0..255.
        photos: a file, a folder, a glob, an array, a PIL image, or a sequence of these.
        method: a name in `METHODS`, in any usual spelling; None: CAM where the network ends in
            global average pooling and one linear map, else, and for a `target`, Grad-CAM. "best":
            the most faithful one that was measured (docs/trust.md).
        budget: of method="best": the forward passes that a map of this network may take.
        top: explain the `top` best classes of each photo; 3 unless given.
        classes: explain these: names, WordNet ids or indices, one list for all photos, or one
            list per photo (all of one length).
        target: explain this: a callable that takes the network's output (the framework's tensor,
            batched) and returns one scalar per photo; `seewhy.targets` has the usual ones.
        contrast: explain why each class rather than this one: the difference of their scores.
            Several classes count by their mean. "similar": the three classes most similar to each
            explained one, at 0.6 of their mean score (Finer-CAM).
        layer: the layer to explain, by name or the layer object, or several of them (each map
            scaled, then averaged); None: the classifier's own, the last map before pooling.
        output: "score", before softmax or sigmoid; "probability"; or "rest", the score plus the
            logarithm of the probability.
        zoom: explain overlapping tiles of 1/zoom of the photo's sides, and fuse their maps into a
            finer one: 9 tiles for 2, 25 for 3. 1: the photo as a whole.
        batch_size: photos, or copies of a photo, that the network is given at once.
        precision: of the network: "float32", or "bfloat16", which is faster on processors and GPUs
            with units for it, and off by some per cent. The first photos are explained in both,
            and the error is in the result (`Explanation.rounding`).
        progress: called with (done, total).
        options: of the method: patch=32, stride=16; see `METHODS[method].options`.

    Returns:
        Raw maps, heatmaps at the photos' own size, predictions, pictures.

    Raises:
        UnknownMethod, UnknownLayer, UnknownClass, PhotoError, TargetError, OptionError,
        LayerError, NotACamNetwork, NotFinite: see `seewhy.errors`.

    Warns:
        SeewhyWarning: the precision is not offered here, or a map is off by more than 10 %.
    """
    check_budget(budget, [method])
    take_execution({}, precision)
    if budget is not None:
        classifier = as_classifier(classifier)
        method = best_method(classifier, budget, layer=layer)
    row = METHODS["grad-cam"] if method is None else find_method(method)
    check_options(row, options, arguments=_ARGUMENTS)
    classifier = as_classifier(classifier)
    if method is None and target is None:
        row = METHODS[default_method(classifier, layer)]
    explanations = compare(
        classifier,
        photos,
        methods=[row.name],
        top=top,
        classes=classes,
        target=target,
        contrast=contrast,
        layer=layer,
        output=output,
        options={row.name: options},
        zoom=zoom,
        batch_size=batch_size,
        precision=precision,
        progress=progress,
    )
    return explanations[row.name]


_ARGUMENTS = tuple(inspect.signature(explain).parameters)[2:-1]


def compare(
    classifier: Any,
    photos: Any,
    *,
    methods: Sequence[str],
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    target: Any = None,
    contrast: Any = None,
    layer: Any = None,
    output: Output = "score",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    zoom: int = 1,
    batch_size: int | None = None,
    precision: Precision = "float32",
    progress: Progress = no_progress,
) -> dict[str, Explanation]:
    """Explain the same photos and classes by several methods.

    Methods that look at activations and gradients share one forward and backward pass. The
    arguments are those of `explain`, except for these.

    Args:
        methods: their names, in any usual spelling.
        options: by method: {"occlusion": {"patch": 32}}.

    Returns:
        The explanations by the methods' names in `METHODS`, in the order of `methods`.
    """
    table = tuple({(row := find_method(name)).name: row for name in methods}.values())
    if not table:
        raise OptionError("No method was named. Name at least one, or list them: seewhy methods")
    settings, execution = take_execution(method_options(table, options or {}), precision)
    zoom = check_zoom(zoom)
    classifier = as_classifier(classifier)
    found = as_photos(photos)
    class_free = all(is_class_free(each, settings[each.name]) for each in table)
    targets = as_targets(
        classifier, len(found), top=top, classes=classes, target=target, class_free=class_free
    )
    question = Question(
        classifier=classifier,
        methods=table,
        options=settings,
        layers=layer_names(classifier, layer),
        targets=targets,
        output=output,
        batch_size=batch_size,
        contrast=as_contrast(classifier, contrast, targets, class_free=class_free),
        execution=execution,
    )
    results, network = run(question, found, progress=progress)
    rounding = measure(question, found, results, network)
    placements = network.placements
    if zoom > 1:
        fused, placements = zoom_in(question, found, network, zoom, progress=progress)
        results = {
            name: replace(
                one, maps=fused[name], extras=({},) * len(found), shown=(None,) * len(found)
            )
            for name, one in results.items()
        }
    explained, predictions = _labelled(classifier, network, getattr(target, "label", "target"))
    free = ((Prediction("whatever the class", None, float("nan"), float("nan")),),) * len(found)
    return {
        each.name: Explanation(
            photos=tuple(found),
            maps=results[each.name].maps,
            targets=free
            if question.is_class_free(each)
            else _with_rivals(classifier, explained, results[each.name].explained),
            predictions=predictions,
            placements=placements,
            familiarity=network.familiarity,
            method=each.name,
            layer=", ".join(question.layers_of(each)),
            model=classifier.name,
            signed=each.signed,
            pixel_level=each.pixel_level,
            blue_first=classifier.preprocess == "caffe",
            from_minimum=each.from_minimum,
            extras=results[each.name].extras,
            shown=results[each.name].shown,
            provenance=provenance_of(
                classifier,
                method=each.name,
                options=each.settings(settings[each.name]),
                layer=", ".join(question.layers_of(each)),
                output=output,
                contrast=question.contrast_of(each),
                execution=question.computed,
                rounding=rounding.get(each.name),
                zoom=zoom,
            ),
            rounding=rounding.get(each.name),
        )
        for each in table
    }


def method_options(
    methods: Sequence[Any], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the checked options by method.

    Raises:
        OptionError: options of a method that is not among them, or not its own.
    """
    found: dict[str, dict[str, Any]] = {method.name: {} for method in methods}
    for name, given in options.items():
        method = find_method(name)
        if method.name not in found:
            raise OptionError(
                f"Options were given for '{name}', which is not among the methods: "
                f"{', '.join(found)}. Add it, or leave its options out."
            )
        found[method.name] = check_options(method, given)
    return found


def as_classifier(classifier: Any) -> Classifier:
    """Return a Classifier for a name, a file, a bare model or a Classifier."""
    if isinstance(classifier, Classifier):
        return classifier
    if isinstance(classifier, str | os.PathLike):
        from seewhy.zoo.load import load

        return load(os.fspath(classifier))
    return Classifier(classifier)


def as_photos(photos: Any) -> list[Photo]:
    """Read photos from any supported source, several at a time in threads.

    All are read before the network runs, so that one that cannot be read is told at once.

    Raises:
        PhotoError: a photo cannot be read.
    """
    return list(read_ahead(find_photos(photos), read_photo))


Rows = tuple[tuple[Prediction, ...], ...]


def _with_rivals(
    classifier: Classifier, explained: Rows, differences: Sequence[Differences | None]
) -> Rows:
    """Add to the explained classes what each was contrasted with."""
    return tuple(
        row if one is None or not one.strength.any() else tuple(_rivals(classifier, row, one))
        for row, one in zip(explained, differences, strict=True)
    )


def _rivals(
    classifier: Classifier, row: Sequence[Prediction], differences: Differences
) -> Iterator[Prediction]:
    for target, indices, strength in zip(
        row, differences.rivals[0].tolist(), differences.strength.tolist(), strict=True
    ):
        labels = tuple(classifier.label(index) for index in indices)
        yield replace(target, rivals=Rivals(labels, tuple(indices), strength))


def _labelled(classifier: Classifier, found: NetworkResult, target: str) -> tuple[Rows, Rows]:
    """Return the explained targets and the best classes of each photo."""
    scores, targets, values = found.scores, found.targets, found.values
    unnamed = tuple(
        tuple(Prediction(target, None, float("nan"), float(value)) for value in row)
        for row in values
    )
    if scores is None:
        return unnamed, ((),) * len(values)
    probabilities = classifier.probabilities(scores)
    shown = max(PREDICTIONS, 0 if targets is None else targets.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = order.argsort(axis=1) + 1
    best = order[:, :shown]

    def named(indices: Int[ndarray, "n t"]) -> Rows:
        return tuple(
            tuple(
                Prediction(
                    label=classifier.label(int(index)),
                    index=int(index),
                    probability=float(probabilities[photo, index]),
                    score=float(scores[photo, index]),
                    rank=int(ranks[photo, index]),
                )
                for index in row
            )
            for photo, row in enumerate(indices)
        )

    return unnamed if targets is None else named(targets), named(best)
