"""Explain photos: join methods, a network and photos."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from seewhy.classifier import Classifier
from seewhy.explaining.answering import answer
from seewhy.explaining.compared import ComparedMethods
from seewhy.explaining.keywords import RequestKeywords
from seewhy.explaining.order import refuse_networks, refuse_photos
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.result import Explanation
from seewhy.explaining.tensors import prepared_photos
from seewhy.photos.reading import Photo, find_photos, read_ahead, read_photo
from seewhy.progress import Progress, no_progress


@with_keywords()
def explain(
    classifier: Any,
    photos: Any,
    *,
    input_is_preprocessed: bool = False,
    progress: Progress = no_progress,
    **request: Unpack[RequestKeywords],
) -> Explanation:
    """Show which places of each photo speak for a class.

    Args:
        classifier: what `seewhy.load` returns, a `Classifier`, a name or file that `load` knows,
            or a bare Keras or PyTorch model whose input range is 0..255.
        photos: a file, a folder, a glob, an array, a PIL image, or a sequence of these.
        method: a name in `METHODS`, in any usual spelling; None: CAM where the network ends in
            global average pooling and one linear map, else, and for a `target`, Grad-CAM, or
            HiResCAM of a transformer's tokens. "best": the most faithful one that was measured
            (docs/trust.md).
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
        input_is_preprocessed: `photos` is a DataLoader's batch of tensors, (n, c, h, w) at the
            network's input size, prepared by the classifier's own preprocessing, which is undone
            for pictures; where it is not known, pictures show each channel from its smallest value
            to its largest, and a warning says so.
        progress: called with (done, total).
        request: `patch=32`, `stride=16` and so on are options of the method: see
            `METHODS[method].options`.

    Returns:
        Raw maps, heatmaps at the photos' own size, predictions, pictures.

    Raises:
        UnknownMethod, UnknownLayer, UnknownClass, PhotoError, TargetError, OptionError,
        LayerError, NotACamNetwork, NotFinite: see `seewhy.errors`.

    Warns:
        SeewhyWarning: the precision is not offered here, or a map is off by more than 10 %.
    """
    asked = Request.single(**request)
    if input_is_preprocessed:
        classifier, photos = prepared_photos(as_classifier(classifier), photos)
    (explanation,) = _explained(asked, classifier, photos, progress).values()
    return explanation


@with_keywords()
def compare(
    classifier: Any,
    photos: Any,
    *,
    methods: Sequence[str],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress = no_progress,
    **request: Unpack[RequestKeywords],
) -> ComparedMethods:
    """Explain the same photos and classes by several methods.

        compared = seewhy.compare(classifier, "cat.jpg", methods=["grad-cam", "occlusion"])
        compared.save("why.png")
        compared["occlusion"].peaks

    Methods that look at activations and gradients share one forward and backward pass.

    Args:
        classifier, photos, progress, request: as for `explain`; an option belongs to every method
            that has it.
        methods: their names, in any usual spelling, in place of `method`.
        options: by method: {"occlusion": {"patch": 32}}.

    Returns:
        The explanations by the methods' names in `METHODS`, in the order of `methods`; as a whole
        they show and save themselves as one page for each photo.
    """
    asked = Request.of(methods=methods, options=options, **request)
    return ComparedMethods(_explained(asked, classifier, photos, progress))


def _explained(
    request: Request, classifier: Any, photos: Any, progress: Progress
) -> dict[str, Explanation]:
    classifier = as_classifier(classifier)
    photo_list = as_photos(photos)
    explanations, _ = answer(
        request.bind(classifier, len(photo_list)), photo_list, progress=progress
    )
    return explanations


def as_classifier(classifier: Any) -> Classifier:
    """Return a Classifier for a name, a file, a bare model or a Classifier.

    Raises:
        ModelError: it is no network, or photos.
    """
    if isinstance(classifier, Classifier):
        return classifier
    refuse_photos(classifier)
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
    refuse_networks(photos)
    return list(read_ahead(find_photos(photos), read_photo))
