"""Inspect a network before explaining it: what fits it, what it costs, what is not possible.

Axes: n photo, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.checking.result import CheckResult, OcclusionCost
from seewhy.classifier import Classifier
from seewhy.errors import LayerError, ModelError, NotACamNetwork, NotFinite
from seewhy.explaining.attending import check_attends
from seewhy.explaining.costs import pass_seconds
from seewhy.explaining.explain import as_classifier, as_photos
from seewhy.incremental.choosing import WORTH_FROM
from seewhy.methods import METHODS
from seewhy.methods.windows import place_windows
from seewhy.networks.base import Top
from seewhy.photos.reading import Photo
from seewhy.photos.samples import sample_photos
from seewhy.zoo.load import backend_in_use

PATCH, STRIDE = 16, 8
"""The patch for which the cost of an occlusion is reported."""

TIMED_PASSES = 3
"""Forward passes whose median time is reported."""

ANSWERS = 5
"""Photos whose best classes are shown."""


def check(classifier: Any, photos: Any = None) -> CheckResult:
    """Inspect a network: preprocessing with its evidence, layer, labels, cost and limits.

    Args:
        classifier: what `seewhy.load` returns, a `Classifier`, a name or a file that `load` knows,
            or a bare Keras or PyTorch model.
        photos: a few that the network is meant for, as `explain` takes them; None: some samples
            of everyday objects.

    Raises:
        UnknownModel, ModelError, PhotoError: see `seewhy.errors`.
    """
    classifier = as_classifier(classifier)
    given = [] if photos is None else as_photos(photos)
    preprocessing = classifier.find_preprocessing(given, aloud=False)
    evidence = classifier.preprocessing_evidence(given)
    shown = given or list(sample_photos()[:1])
    images, _ = classifier.prepare(shown[:ANSWERS])
    cam = _why_no_cam(classifier)
    occlusion = _occlusion(classifier)
    shape = next(
        layer.shape for layer in classifier.network.layers if layer.name == classifier.layer
    )
    return CheckResult(
        model=classifier.name,
        runs_on=backend_in_use(classifier),
        input=(*classifier.size, classifier.network.input_shape[2]),
        fit=_fit(classifier),
        preprocessing=preprocessing,
        evidence=evidence,
        labels=_labels(classifier),
        layer=classifier.layer,
        layer_shape=shape,
        layer_reason=_layer_reason(classifier),
        cam=cam,
        attention=_attention(classifier),
        seconds=pass_seconds(classifier, images[0], copies=1, repeats=TIMED_PASSES),
        occlusion=occlusion,
        familiarity=_familiarity(classifier),
        answers=_answers(classifier, shown[:ANSWERS], images) if given else (),
        limits=tuple(_limits(classifier, images[:1], cam, occlusion)),
    )


def _fit(classifier: Classifier) -> str:
    fit = classifier.fit
    if fit.mode == "stretch":
        return "stretching the whole of it"
    if fit.mode == "stretch-crop":
        return f"stretching it to {fit.resize} × {fit.resize}, and cropping its middle"
    return "cropping its middle" + (f", shorter side {fit.resize} before" if fit.resize else "")


def _labels(classifier: Classifier) -> str:
    count = classifier.network.classes
    several = classifier.network.outputs
    if several:
        return f"no classes: it returns several outputs ({', '.join(several)}): --output NAME"
    if count is None:
        return "no classes: the output is not one row of scores for each photo"
    if not classifier.has_labels:
        hint = " If they are ImageNet's: labels='imagenet', or --labels imagenet." * (count == 1000)
        return f"{count:,} classes without names.{hint}"
    names = ", ".join(classifier.labels[:3])
    return f"{count:,} classes: {names}" + (" and so on" if count > 3 else "")


def _layer_reason(classifier: Classifier) -> str:
    if classifier.layer != classifier.network.default_layer:
        return "as it was named"
    return "the last one with a map of rows and columns that the scores depend on"


def _why_no_cam(classifier: Classifier) -> str:
    try:
        classifier.session.class_weights(classifier.layer)
    except NotACamNetwork as reason:
        return str(reason)
    return ""


def _attention(classifier: Classifier) -> str:
    """Say which of the methods on attention apply, and why the others do not."""
    by_reason: dict[str, list[str]] = {}
    for method in METHODS.values():
        if method.attends:
            try:
                check_attends(classifier, method)
                by_reason.setdefault("", []).append(method.name)
            except (LayerError, ModelError) as reason:
                by_reason.setdefault(_sentence(reason), []).append(method.name)
    return " ".join(
        f"{', '.join(names)}: {reason}" if reason else f"{', '.join(names)} apply."
        for reason, names in by_reason.items()
    )


def _occlusion(classifier: Classifier) -> OcclusionCost:
    """Return the estimated cost of a sweep with the engine that re-runs windows."""
    patch = min(PATCH, *classifier.size)
    stride = max(1, min(STRIDE, patch))
    windows = place_windows(classifier.size, patch, stride).boxes
    try:
        plan = classifier.session.engine(classifier.size).plan(windows)
    except (ModelError, LayerError):
        return OcclusionCost(
            patch, stride, len(windows), None, "no faster way is known"
        )  # see limits
    gain = plan.forecast.gain
    worth = "is used" if gain >= WORTH_FROM else "is not used"
    sentence = f"re-running only what changed is forecast {gain:.1f} times as fast, and {worth}"
    return OcclusionCost(patch, stride, len(windows), gain, sentence)


def _familiarity(classifier: Classifier) -> str:
    if getattr(classifier, "references", None) is None:
        return (
            "the network has no references; networks of seewhy train flag photos "
            "that are unlike their training photos"
        )
    return "photos that are unlike its training photos are flagged"


def _answers(
    classifier: Classifier, photos: Sequence[Photo], images: Float[ndarray, "n h w c"]
) -> tuple[str, ...]:
    if classifier.network.classes is None:
        return ()
    values = classifier.network.scores(images)
    if not classifier.is_regression:
        values = classifier.probabilities(values)
    answers = []
    for photo, row in zip(photos, values, strict=True):
        best = np.argsort(-row, kind="stable")[:3]
        named = ", ".join(f"{classifier.label(int(k))} {row[k]:.2f}" for k in best)
        answers.append(f"{photo.name}: {named}")
    return tuple(answers)


def _limits(
    classifier: Classifier, image: Float[ndarray, "1 h w c"], cam: str, occlusion: OcclusionCost
) -> list[str]:
    """Return what is not possible with a network, each with its reason."""
    network = classifier.network
    limits = [f"cam: {cam}."] if cam else []
    if network.is_random:
        limits.append(
            "the same numbers twice: it draws random numbers at every pass, as dropout does where "
            "it is always on; a map is one sample of many."
        )
    if network.mixes_images:
        limits.append(
            "several photos in one pass: a photo's scores depend on the photos beside it, as with "
            "batch normalization on the statistics of a batch; each photo is run alone."
        )
    if occlusion.gain is None:
        limits.append(f"faster occlusion: {_why_no_engine(classifier)}")
    if network.classes is None:
        limits.append(
            "classes: its output is not one row of scores for each photo; explain a target of "
            "your own (docs/targets.md)."
        )
        return limits
    try:
        network.input_gradients(image, Top(1), guided=True)
    except (LayerError, ModelError, NotFinite) as reason:
        limits.append(f"guided-backpropagation: {_sentence(reason)}")
    return limits


def _why_no_engine(classifier: Classifier) -> str:
    try:
        classifier.session.engine(classifier.size)
    except (ModelError, LayerError) as reason:
        return _sentence(reason)
    return "no plan could be made."


def _sentence(reason: Exception) -> str:
    text = str(reason)
    return text if text.endswith(".") else f"{text}."
