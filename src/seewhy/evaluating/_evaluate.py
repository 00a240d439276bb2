"""Measure how faithful the heatmaps of several methods are, on your own photos.

Axes: n photo, m box, H row and W column of a photo.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from seewhy.boxes import Boxes
from seewhy.classifier import Classifier
from seewhy.classifier.fingerprint import network_fingerprint
from seewhy.errors import (
    ModelError,
    OptionError,
    PhotoError,
    SeewhyWarning,
    TargetError,
)
from seewhy.evaluating.applying import applicable
from seewhy.evaluating.assembling import assemble
from seewhy.evaluating.baselines import BASELINES, MEAN_BOX
from seewhy.evaluating.columns import GROUPS
from seewhy.evaluating.costs import evaluation_cost
from seewhy.evaluating.curves import check_probability
from seewhy.evaluating.measurements import Measurements
from seewhy.evaluating.measuring import Study
from seewhy.evaluating.result import Evaluation
from seewhy.evaluating.sanity import cascade
from seewhy.evaluating.settings import EVALUATION, MEASURES, REMOVAL_STEPS
from seewhy.evaluating.survey import BoxesOf, MaskOf, Survey
from seewhy.explaining.costs import Cost
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.journal import Journal
from seewhy.explaining.keywords import RequestKeywords, parted
from seewhy.explaining.request import Request, with_keywords
from seewhy.photos.photo import Photo
from seewhy.photos.reading import find_sources
from seewhy.progress import Progress, no_progress


class EvaluateKeywords(RequestKeywords, total=False):
    """The keywords of `evaluate`: those of `seewhy.explain`, and of the measurement."""

    measures: Sequence[str] | None
    removal_steps: int
    resume: str | Path | None


@with_keywords(EvaluateKeywords, *EVALUATION)
def evaluate(
    classifier: Any,
    photos: Any,
    *,
    methods: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    boxes: Sequence[Boxes] | Callable[[Photo], Boxes] | None = None,
    object_masks: MaskOf | None = None,
    announce: Callable[[Cost], None] | None = None,
    progress: Progress = no_progress,
    **request: Unpack[EvaluateKeywords],
) -> Evaluation:
    """Measure methods against the network itself, and with boxes against the objects.

    Each photo is decoded once and explained for its best class, or the one given, and for the most
    probable other one. Every map is averaged to the same 14 × 14 cells before they are removed: by
    two fills, and by imputation from their neighbours (ROAD). Maps are compared with those for the
    runner-up, of copies of the network with random weights, and with exact occlusion. On mosaics of
    four confident photos of different classes, the heat should be in the right one. With boxes it
    should be in them. Formulas and sources are in `faithfulness`, `sanity`, `mosaics` and
    `localizing` of `seewhy.evaluating`.

        seewhy.evaluate("mobilenet", "photos", methods=["cam", "rise"], masks=400)

    Args:
        classifier: as for `seewhy.explain`; so are `photos` and the keywords of `request`.
        methods: names in `METHODS`, or "best"; the network's default method unless given.
        options: of the methods, by method, where an option shall not be that of all.
        boxes: the true boxes [x0, y0, x1, y1] of each photo, in pixels of the photo, or a function
            of a photo that returns them.
        object_masks: a function of a photo that returns the pixels of its objects (H, W), drawn by
            a human, or None. Energy, lift and pointing game then use them, without a tolerance.
        announce: called once, with the estimated cost, before the measuring starts.
        progress: called with (done, total) maps.
        request: `classes` is the class to measure: one for all photos, or one list of one per
            photo. `top`, `target` and `contrast` are not for measuring. And:
        measures: what to measure, keys of `seewhy.evaluating.columns.GROUPS`; all unless given.
        removal_steps: of deletion and insertion; 14 unless given.
        resume: a file that keeps every measurement as soon as it is there. If it exists, what is in
            it is not measured again; methods and photos may be added.

    Returns:
        The measures of each method and of baselines that do not ask the network. Photos that cannot
        be read or give NaN are in `failed`, and the others are measured.

    Raises:
        OptionError: boxes for another number of photos; a wrong number of steps; an unknown
            measure; a file to resume from that was measured with other settings.
        TargetError: more than one class per photo, or a network without classes.
        PhotoError: no photo could be measured.
        and what `seewhy.explain` raises.

    Warns:
        SeewhyWarning: one of several methods does not apply to the network and is left out; or the
            network cannot be copied, so nothing is measured with random weights.
    """
    own, given = parted(request, ("measures", "removal_steps", "resume"))
    asked = _checked(Request.of(methods=methods or None, options=options, **given))
    removal_steps = REMOVAL_STEPS.check(own.get("removal_steps", REMOVAL_STEPS.default))
    groups = _groups(own.get("measures"), has_boxes=boxes is not None)
    resume = own.get("resume")
    classifier = as_classifier(classifier)
    sources = find_sources(photos)
    if boxes is not None and not callable(boxes) and len(boxes) != len(sources):
        raise OptionError(
            f"The boxes of {len(boxes)} photos were given for {len(sources)} photos. Give one "
            "array of boxes (m, 4) for each photo."
        )
    settled = asked.settle(classifier)
    classes = _class_of_each(settled, len(sources))
    layer = settled.layer[0] if settled.layer else classifier.layer
    table = applicable(classifier, settled.table, layer)
    if "removal" in groups:
        check_probability(classifier)
    study = Study(
        classifier=classifier,
        request=settled,
        groups=groups,
        removal_steps=removal_steps,
        copies=_copies(classifier) if "randomization" in groups else (),
    )
    names = [method.name for method in table]
    baselines = [name for name in BASELINES if name != MEAN_BOX or boxes is not None]
    if announce is not None:
        announce(evaluation_cost(study, names, photos=len(sources), baselines=len(baselines)))
    question = _question(study)
    with contextlib.ExitStack() as stack:
        journal = None
        if resume is not None:
            journal = stack.enter_context(contextlib.closing(_journal(resume, study)))
        survey = Survey(
            study=study,
            rows=[*names, *baselines],
            classes=classes,
            boxes=None if boxes is None else _boxes_of(boxes),
            masks=object_masks,
            records=Measurements(journal),
            progress=progress,
        )
        survey.run(sources)
        if not survey.subjects:
            reason = f" {survey.failed[0].reason}" if survey.failed else ""
            raise PhotoError(f"No photo could be evaluated.{reason}")
        return assemble(survey, question=question)


def _checked(request: Request) -> Request:
    """Refuse what cannot be measured.

    Raises:
        TargetError: that is so.
    """
    given = ("top", "target", "contrast")
    for name in given:
        if getattr(request, name) is not None:
            raise TargetError(
                f"evaluate measures one class of each photo, and not {name}=.... Leave {name}=... "
                "out, or give classes=[...]."
            )
    return request


def _class_of_each(request: Request, count: int) -> list[int | None]:
    """Return the index of the class of each photo; None for its best one.

    Raises:
        TargetError: more than one class per photo, or lists for another number of photos.
    """
    if request.classes is None:
        return [None] * count
    nested = isinstance(request.classes[0], tuple)
    rows = list(request.classes) if nested else [request.classes] * count
    if len(rows) != count:
        raise TargetError(
            f"{len(rows)} lists of classes were given for {count} photos. "
            "Give one list for all photos, or one list per photo."
        )
    several = max((len(row) for row in rows), default=1)
    if several > 1:
        raise TargetError(
            f"{several} classes of a photo were given, and one class per photo is measured. Give "
            "classes=[...] with a single one, or one list of one for each photo."
        )
    return [row[0] for row in rows]


def _boxes_of(boxes: Sequence[Boxes] | Callable[[Photo], Boxes]) -> BoxesOf:
    """Return the function of a photo and its place that gives its boxes."""
    if callable(boxes):
        return lambda photo, _: boxes(photo)
    return lambda _, place: boxes[place]


def _groups(measures: Sequence[str] | None, *, has_boxes: bool) -> frozenset[str]:
    """Return what is measured.

    Raises:
        OptionError: a name is unknown, or boxes are needed.
    """
    if measures is None:
        return frozenset(GROUPS) - (frozenset() if has_boxes else {"boxes"})
    MEASURES.check(list(measures))
    if "boxes" in measures and not has_boxes:
        raise OptionError("The measures 'boxes' need the true boxes of the photos. Give boxes=...")
    return frozenset(measures)


def _copies(classifier: Classifier) -> tuple[tuple[str, Classifier], ...]:
    """Return copies of the network: one with a random last layer, one with random weights."""
    network = classifier.network
    learned = set(network.layers_with_weights())
    if not learned:
        return ()
    try:
        order = [layer.name for layer in network.layers if layer.name in learned]
        networks = [network.randomized(stop) for stop in cascade(order, 2)]
    except ModelError as error:
        warnings.warn(
            f"Nothing is measured with random weights. {error}", SeewhyWarning, stacklevel=3
        )
        return ()
    stops = ("head", "weights") if len(networks) > 1 else ("weights",)
    return tuple(
        (stop, _like(classifier, network)) for stop, network in zip(stops, networks, strict=True)
    )


def _like(classifier: Classifier, network: Any) -> Classifier:
    """Return a classifier of another network, with the same input and labels."""
    return Classifier(
        network,
        size=classifier.size,
        preprocess=classifier.preprocess,
        labels=list(classifier.labels) if classifier.has_labels else None,
        layer=classifier.layer,
        fit=classifier.fit,
        name=classifier.name,
    )


def _journal(path: str | Path, study: Study) -> Journal:
    """Return the file that keeps measurements, with what is in it."""
    return Journal(
        path,
        kind="seewhy evaluate",
        question=_measured(study),
        network=network_fingerprint(study.classifier),
    )


def _question(study: Study) -> dict[str, Any]:
    """Return what all records depend on, ready for JSON."""
    classifier = study.classifier
    return {
        "model": classifier.name,
        "weights": classifier.session.weights_sha256(),
        "fit": str(classifier.fit),
        **_measured(study),
    }


def _measured(study: Study) -> dict[str, Any]:
    """Return what is measured, whatever the network."""
    request = study.request.as_dict()
    return {
        "measures": sorted(study.groups),
        "steps": study.removal_steps,
        **{name: request[name] for name in ("layer", "output", "zoom", "precision")},
    }
