"""The question of a run: made from a network and options, and read by workers from run.json."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.datasets import manifest
from seewhy.datasets import question as questions
from seewhy.datasets.asking import RowSelection
from seewhy.datasets.manifest import Item
from seewhy.datasets.question import ModelArguments, photos_hash, versions
from seewhy.datasets.settings import BATCH_SIZE, MAPS, SHARD_SIZE
from seewhy.datasets.shards import ShardJob, ShardPlan, read_item
from seewhy.datasets.storage import Folder
from seewhy.errors import ModelError, NotFinite, OptionError, UnknownClass
from seewhy.explaining.measuring import measure
from seewhy.explaining.question import (
    Question,
    check_options,
    class_indices,
    find_method,
    layer_names,
    take_execution,
)
from seewhy.explaining.rounding import Rounding
from seewhy.explaining.running import run as run_methods
from seewhy.networks.base import Top
from seewhy.networks.execution import EXACT, Execution
from seewhy.photos.fitting import Fit
from seewhy.photos.reading import Photo
from seewhy.progress import no_progress


def describe(
    classifier: Classifier,
    items: Sequence[Item],
    *,
    method: str,
    options: Mapping[str, Any],
    layer: Any,
    output: str,
    top: int | None,
    classes: Sequence[Any] | None,
    boxes: bool,
    descriptors: bool,
    number: str,
    batch_size: int,
    shard_size: int,
) -> dict[str, Any]:
    """Return everything that determines the results, as in run.json.

    Raises:
        OptionError, UnknownClass, UnknownLayer, TargetError: something is not what it can be.
    """
    MAPS.check(number)
    BATCH_SIZE.check(batch_size)
    SHARD_SIZE.check(shard_size)
    if shard_size % batch_size:
        raise OptionError(
            f"A shard of {shard_size} photos is not a whole number of batches of {batch_size}. "
            "Give a shard_size that is a multiple of batch_size."
        )
    if top is not None and classes is not None:
        raise OptionError("'top' and 'classes' exclude each other. Give one of them.")
    row = find_method(method)
    settings, execution = take_execution({row.name: check_options(row, options)})
    options = settings[row.name]
    try:
        json.dumps(options)
    except TypeError as error:
        raise OptionError(
            f"The options {options!r} cannot be written to run.json: {error}. Give text and "
            "numbers."
        ) from error
    indices = None
    if classes is not None:
        indices = [int(index) for index in class_indices(classifier, classes, 1)[0]]
    elif classifier.network.classes is not None:
        top = min(3 if top is None else top, classifier.network.classes)
        if top < 1:
            raise OptionError(f"top={top} selects no class. Give 1 or more.")
    return {
        "versions": versions(classifier.network.framework),
        "model": {"name": classifier.name, "sha256": weights_hash(classifier)},
        "preprocessing": {
            "size": list(classifier.size),
            "preprocess": _preprocess(classifier),
            "fit": {
                "mode": classifier.fit.mode,
                "resize": classifier.fit.resize,
                "interpolation": classifier.fit.interpolation,
            },
        },
        "method": row.name,
        "options": dict(options),
        "top": top,
        "classes": indices,
        "layer": list(layer_names(classifier, layer)),
        "output": output,
        "precision": execution.precision,
        "boxes": boxes,
        "descriptors": descriptors,
        "maps": number,
        "batch_size": batch_size,
        "shard_size": shard_size,
        "labels": truths(classifier, items),
        "photos": {"count": len(items), "sha256": photos_hash(items)},
    }


def weights_hash(classifier: Classifier) -> str:
    """Return the SHA-256 of the weights.

    Of a network that has none to read (one of your own making), of its scores of a made image,
    rounded to four digits, so that machines that add up in another order agree.
    """
    found = classifier.session.weights_sha256()
    if found is not None:
        return found
    network = classifier.network
    height, width = classifier.size
    random = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    images = classifier.to_input(random)
    if network.classes is None:
        values = network.activations(images, [classifier.layer])[classifier.layer]
    else:
        values = network.scores(images)
    text = " ".join(f"{value:.3e}" for value in np.ravel(values).tolist())
    return hashlib.sha256(text.encode()).hexdigest()


def _preprocess(classifier: Classifier) -> str:
    """Return the preprocessing by name; of a function, by what it makes of all grey values."""
    if isinstance(classifier.preprocess, str):
        return classifier.preprocess
    height, width = classifier.size
    ramp = (np.arange(height * width * 3) % 256).astype(np.uint8).reshape(1, height, width, 3)
    return f"function {hashlib.sha256(classifier.to_input(ramp).tobytes()).hexdigest()[:16]}"


def truths(classifier: Classifier, items: Sequence[Item]) -> dict[str, int]:
    """Return the class index of each label that the photos have.

    Raises:
        UnknownClass: labels that the network does not have; names them.
    """
    found: dict[str, int] = {}
    unknown: list[str] = []
    for label in sorted({item.label for item in items if item.label is not None}):
        try:
            found[label] = classifier.class_index(label)
        except UnknownClass:
            unknown.append(label)
    if unknown:
        listed = ", ".join(f"'{label}'" for label in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise UnknownClass(
            f"Labels of the photos are not classes of '{classifier.name}': {listed}{more}. Rename "
            "them to its classes (by name, WordNet id or index), or leave the labels out."
        )
    return found


def made_question(classifier: Classifier, asked: Mapping[str, Any]) -> Question:
    """Return the question that run.json describes; targets are filled in for each batch."""
    method = find_method(asked["method"])
    return Question(
        classifier=classifier,
        methods=(method,),
        options={method.name: dict(asked["options"])},
        layers=tuple(asked["layer"]),
        targets=Top(1 if classifier.network.classes else 0),
        output=asked["output"],
        batch_size=asked["batch_size"],
        execution=Execution(asked["precision"]),
    )


def map_size(question: Question) -> tuple[int, int]:
    """Return rows and columns of a map, by explaining one grey photo: tells wrong options too."""
    height, width = question.classifier.size
    grey = Photo(np.full((height, width, 3), 128, np.uint8), "a grey test photo")
    small = replace(
        question, execution=EXACT, targets=Top(min(1, question.classifier.network.classes or 0))
    )
    results, _ = run_methods(small, [grey], progress=no_progress)
    (found,) = results.values()
    rows, columns = found.maps.shape[2:]
    return int(rows), int(columns)


def first_rounding(
    classifier: Classifier, asked: Mapping[str, Any], items: Sequence[Item]
) -> Rounding | None:
    """Return how far the first batch is off; None in float32, or if no photo of it is usable."""
    question = made_question(classifier, asked)
    if question.computed == EXACT:
        return None
    read = (read_item(item, classifier.fit)[1] for item in items[: asked["batch_size"]])
    photos = [one for one in read if isinstance(one, Photo)]
    if not photos:
        return None
    classes = asked["classes"]
    targets = Top(asked["top"] or 0) if classes is None else np.tile(classes, (len(photos), 1))
    question = replace(question, targets=targets)
    try:
        results, network = run_methods(question, photos, progress=no_progress)
    except NotFinite:
        return None
    return measure(question, photos, results, network)[asked["method"]]


def make_job(
    folder: Folder,
    items: Sequence[Item],
    classifier: Classifier,
    asked: Mapping[str, Any],
    plan: ShardPlan,
) -> ShardJob:
    """Return what workers of any kind need."""
    classes = asked["classes"]
    return ShardJob(
        folder=folder,
        items=items,
        question=made_question(classifier, asked),
        wanted=RowSelection(
            asked["top"],
            None if classes is None else tuple(classes),
            boxes=asked["boxes"],
            descriptors=asked["descriptors"],
        ),
        truths=dict(asked["labels"]),
        plan=plan,
        batch_size=asked["batch_size"],
    )


def load_plan(folder: Folder) -> tuple[questions.RunQuestion, ShardPlan]:
    """Read run.json."""
    found = questions.RunQuestion.from_json(
        folder.read(questions.NAME), folder.child(questions.NAME)
    )
    asked = found.asked
    return found, ShardPlan(
        photos=asked["photos"]["count"],
        size=asked["shard_size"],
        fingerprint=found.fingerprint,
        map_size=found.map_size,
        number=asked["maps"],
    )


def load_job(folder: Folder) -> ShardJob:
    """Make a worker's job of a run's folder; loads the network.

    Raises:
        ModelError: the network found here is not the run's network.
    """
    found, plan = load_plan(folder)
    assert found.model is not None  # a run without one has no workers
    items = manifest.read_manifest(folder.read(manifest.NAME))
    classifier = load_model(found.model)
    digest = weights_hash(classifier)
    if digest != found.asked["model"]["sha256"]:
        raise ModelError(
            f"The weights of '{found.model.name}' are not those that the run was started with: "
            f"SHA-256 {digest[:12]} here, {found.asked['model']['sha256'][:12]} in run.json. "
            "Give every worker the same file."
        )
    return make_job(folder, items, classifier, found.asked, plan)


def load_model(model: ModelArguments) -> Classifier:
    """Load a network, with names of files as they hold in the folder where the run was started."""
    from seewhy.zoo.load import load

    if Path(model.folder).is_dir():
        with contextlib.suppress(OSError):
            os.chdir(model.folder)
    return load(model.name, **model.settings)


def fit_of(asked: Mapping[str, Any]) -> Fit:
    """Return how photos were fitted."""
    facts = asked["preprocessing"]
    return Fit(size=tuple(facts["size"]), **facts["fit"])
