"""Measure how faithful the heatmaps of several methods are, on your own photos.

Axes: n photo, m box, H row and W column of a photo.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.boxes import Boxes
from seewhy.classifier import Classifier
from seewhy.errors import (
    ModelError,
    OptionError,
    PhotoError,
    SeewhyWarning,
    nearest_names,
)
from seewhy.evaluating.applying import applicable
from seewhy.evaluating.assembling import assemble
from seewhy.evaluating.baselines import BASELINES, MEAN_BOX
from seewhy.evaluating.columns import GROUPS
from seewhy.evaluating.costs import Cost
from seewhy.evaluating.curves import check_probability
from seewhy.evaluating.faithfulness import CELLS
from seewhy.evaluating.looking import classes_of, look_at, photos_ahead
from seewhy.evaluating.measuring import (
    Look,
    Study,
)
from seewhy.evaluating.records import Records
from seewhy.evaluating.result import Evaluation
from seewhy.evaluating.run import MaskOf, Run, Truths
from seewhy.evaluating.sanity import cascade
from seewhy.evaluating.settings import STEPS
from seewhy.explaining.budget import best_method, check_budget, in_place_of_best
from seewhy.explaining.explain import as_classifier, method_options
from seewhy.explaining.question import default_method, find_method, layer_names
from seewhy.photos.photo import Photo, PhotoFailure
from seewhy.photos.reading import find_sources
from seewhy.progress import Progress, no_progress

BoxesOf = Callable[[Photo], Boxes]


def evaluate(
    classifier: Any,
    photos: Any,
    *,
    methods: Sequence[str] | None = None,
    budget: int | None = None,
    classes: Sequence[Any] | None = None,
    boxes: Sequence[Boxes] | BoxesOf | None = None,
    masks: MaskOf | None = None,
    layer: Any = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    measures: Sequence[str] | None = None,
    steps: int = CELLS,
    batch_size: int | None = None,
    resume: str | Path | None = None,
    announce: Callable[[Cost], None] | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Measure methods against the network itself, and with boxes against the objects.

    Each photo's best class is explained, or the one given. Every map is averaged to the same 14 ×
    14 cells before they are removed: by two fills, and by imputation from their neighbours (ROAD).
    Maps are compared with those for the runner-up, of copies of the network with random weights,
    and with exact occlusion. On mosaics of four confident photos of different classes, the heat
    should be in the right one. With boxes it should be in them. Formulas and sources are in
    `faithfulness`, `sanity`, `mosaics` and `localizing` of `seewhy.evaluating`.

    Args:
        classifier: as for `seewhy.explain`; so are `photos`, `layer` and `batch_size`.
        methods: names in `METHODS`, or "best"; the network's default method unless given.
        budget: of the method "best": the forward passes that a map of this network may take.
        classes: the class to measure: one for all photos, or one list of one per photo.
        boxes: the true boxes [x0, y0, x1, y1] of each photo, in pixels of the photo, or a function
            of a photo that returns them.
        masks: a function of a photo that returns the pixels of its objects (H, W), drawn by a
            human, or None. Energy, lift and pointing game then use the mask, without a tolerance.
        options: of the methods, by method and name.
        measures: what to measure, keys of `seewhy.evaluating.columns.GROUPS`; all unless given.
        steps: of deletion and insertion.
        resume: a file that keeps every measurement as soon as it is there. If it exists, what is in
            it is not measured again; methods and photos may be added.
        announce: called once, with the estimated cost, before the measuring starts.
        progress: called with (done, total) maps.

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
    check_budget(budget, methods or [])
    classifier = as_classifier(classifier)
    sources = find_sources(photos)
    if boxes is not None and not callable(boxes) and len(boxes) != len(sources):
        raise OptionError(
            f"The boxes of {len(boxes)} photos were given for {len(sources)} photos. Give one "
            "array of boxes (m, 4) for each photo."
        )
    STEPS.check(steps)
    names = list(methods) if methods else [default_method(classifier, layer)]
    if budget is not None:
        names = in_place_of_best(best_method(classifier, budget, layer=layer), names)
    layers = layer_names(classifier, layer)
    table = applicable(classifier, [find_method(name) for name in names], layers[0])
    groups = _groups(measures, has_boxes=boxes is not None)
    if "removal" in groups:
        check_probability(classifier)
    kept = {one.name for one in table}
    given = {find_method(name).name: one for name, one in (options or {}).items()}
    asked = {find_method(name).name for name in names}
    settings = method_options(
        table, {name: one for name, one in given.items() if name in kept or name not in asked}
    )
    study = Study(
        classifier=classifier,
        layer=layer,
        options=settings,
        groups=groups,
        steps=steps,
        batch_size=batch_size,
        copies=_copies(classifier) if "randomization" in groups else (),
    )
    looks, failed, truths = _first_look(classifier, sources, classes, boxes)
    rows = [*settings, *(name for name in BASELINES if name != MEAN_BOX or truths)]
    run = Run(study, rows, looks, truths, masks, progress)
    if announce is not None:
        announce(run.cost())
    question = _question(study, layers)
    with closing(Records(resume, question)) as records:
        failed += run.measure_photos(records)
        if not run.looks:
            reason = f" {failed[0].reason}" if failed else ""
            raise PhotoError(f"No photo could be evaluated.{reason}")
        if "mosaics" in groups:
            run.measure_mosaics(records)
        return assemble(run, records, failed=failed, question=question)


def _groups(measures: Sequence[str] | None, *, has_boxes: bool) -> frozenset[str]:
    """Return what is measured.

    Raises:
        OptionError: a name is unknown, or boxes are needed.
    """
    if measures is None:
        return frozenset(GROUPS) - (frozenset() if has_boxes else {"boxes"})
    for name in measures:
        if name not in GROUPS:
            near = nearest_names(name, GROUPS)
            hint = f" The nearest names are {near}." if near else ""
            raise OptionError(
                f"There is no measure '{name}'.{hint} Choose among {', '.join(GROUPS)}."
            )
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
        order = [one.name for one in network.layers if one.name in learned]
        found = [network.randomized(stop) for stop in cascade(order, 2)]
    except ModelError as error:
        warnings.warn(
            f"Nothing is measured with random weights. {error}", SeewhyWarning, stacklevel=3
        )
        return ()
    stops = ("head", "weights") if len(found) > 1 else ("weights",)
    return tuple((stop, _like(classifier, one)) for stop, one in zip(stops, found, strict=True))


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


def _question(study: Study, layers: Sequence[str]) -> dict[str, Any]:
    """Return what all records depend on, ready for JSON."""
    classifier = study.classifier
    return {
        "model": classifier.name,
        "weights": classifier.session.weights_sha256(),
        "layer": list(layers),
        "fit": str(classifier.fit),
        "measures": sorted(study.groups),
        "steps": study.steps,
    }


def _first_look(
    classifier: Classifier,
    sources: Sequence[Any],
    classes: Sequence[Any] | None,
    boxes: Sequence[Boxes] | BoxesOf | None,
) -> tuple[list[Look], list[PhotoFailure], Truths]:
    """Read every photo once: its class, its size, and its boxes."""
    chosen = classes_of(classes, len(sources))
    looks: list[Look] = []
    failed: list[PhotoFailure] = []
    truths: Truths = {}
    for index, photo in enumerate(photos_ahead(sources, classifier.fit)):
        if isinstance(photo, PhotoFailure):
            failed.append(photo)
            continue
        look = look_at(classifier, photo, sources[index], chosen(index))
        if isinstance(look, PhotoFailure):
            failed.append(look)
            continue
        looks.append(look)
        if boxes is not None:
            truth = boxes(photo) if callable(boxes) else boxes[index]
            truths[look.key] = np.asarray(truth, np.float64).reshape(-1, 4), look.size
    return looks, failed, truths
