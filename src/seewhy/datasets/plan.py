"""The plan of a run: made from a network and a request, and read by workers from run.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seewhy.classifier import Classifier
from seewhy.classifier.fingerprint import network_fingerprint
from seewhy.datasets import manifest
from seewhy.datasets import question as questions
from seewhy.datasets.asking import RowJob, read_listed, row_job
from seewhy.datasets.checked import checked
from seewhy.datasets.manifest import Item
from seewhy.datasets.question import ModelArguments, PhotoList, RunQuestion, versions
from seewhy.datasets.shards import ShardJob, ShardPlan
from seewhy.datasets.storage import Folder
from seewhy.errors import ModelError, NotFinite, OptionError
from seewhy.explaining.answering import answer
from seewhy.explaining.provenance import provenance_of
from seewhy.explaining.request import Request
from seewhy.explaining.rounding import Rounding
from seewhy.explaining.rows import RowSelection
from seewhy.networks.base import Targets, Top
from seewhy.networks.execution import EXACT
from seewhy.photos.batches import photos_in_batches
from seewhy.photos.photo import Photo


def check_stored(request: Request) -> None:
    """Refuse a request that cannot be written to run.json.

    Raises:
        OptionError: it has a function or an array.
    """
    try:
        Request.from_dict(request.as_dict())
    except OptionError as error:
        raise OptionError(
            f"The question cannot be written to {questions.NAME}: {error} Give text and numbers."
        ) from error


def describe(
    job: RowJob, items: Sequence[Item], *, maps: str = "float32", shard_size: int = 256
) -> RunQuestion:
    """Return the question of a run, but for what only its first photos tell."""
    classifier = job.question.classifier
    classifier.preprocess  # noqa: B018 - decided by samples: workers may begin with any photo
    references = classifier.references
    (row,) = job.question.methods
    return RunQuestion(
        request=job.request,
        network=network_fingerprint(classifier),
        versions=versions(classifier.network.framework),
        truths=dict(job.truths),
        photos=PhotoList.of(items),
        boxes=job.wanted.boxes,
        descriptors=job.wanted.descriptors,
        maps=maps,
        shard_size=shard_size,
        provenance=provenance_of(job.question, row, None).as_dict(),
        familiarity_limit=None if references is None else references.limit,
    )


def completed(question: RunQuestion, job: RowJob, items: Sequence[Item]) -> RunQuestion:
    """Return the question with the size of maps and their rounding, by explaining some photos."""
    rounding = first_rounding(job, items)
    (row,) = job.question.methods
    return replace(
        question,
        map_size=map_size(job),
        rounding=rounding,
        provenance=provenance_of(job.question, row, rounding).as_dict(),
    )


def map_size(job: RowJob) -> tuple[int, int]:
    """Return rows and columns of a map, by explaining one grey photo: tells wrong options too."""
    classifier = job.question.classifier
    height, width = classifier.size
    grey = Photo(np.full((height, width, 3), 128, np.uint8), "a grey test photo")
    targets = Top(min(1, classifier.network.classes or 0))
    explanations, _ = answer(replace(job.question, execution=EXACT, targets=targets), [grey])
    (explanation,) = explanations.values()
    rows, columns = explanation.maps.shape[2:]
    return int(rows), int(columns)


def first_rounding(job: RowJob, items: Sequence[Item]) -> Rounding | None:
    """Return how far the first batch is off; None in float32, or if no photo of it is usable."""
    question = job.question
    if question.computed == EXACT:
        return None
    paths = [item.path for item in items[: job.batch_size]]
    batches = photos_in_batches(paths, question.classifier.fit, len(paths), read=read_listed)
    photos = [photo for batch in batches for photo in batch.photos]
    if not photos:
        return None
    classes = job.request.classes
    targets: Targets = Top(min(job.request.best, question.classifier.network.classes or 0))
    if classes is not None:
        targets = np.tile(classes, (len(photos), 1))
    try:
        explanations, _ = answer(replace(question, targets=targets), photos)
    except NotFinite:
        return None
    (explanation,) = explanations.values()
    return explanation.rounding


def make_job(
    folder: Folder, items: Sequence[Item], classifier: Classifier, question: RunQuestion
) -> ShardJob:
    """Return what workers of any kind need."""
    wanted = RowSelection(boxes=question.boxes, descriptors=question.descriptors)
    job = row_job(classifier, question.request, items, wanted=wanted, truths=question.truths)
    return ShardJob(folder=folder, items=items, job=job, plan=plan_of(question))


def plan_of(question: RunQuestion) -> ShardPlan:
    """Return the shards of a run."""
    return ShardPlan(
        photos=question.photos.count,
        size=question.shard_size,
        fingerprint=question.fingerprint,
        map_size=question.map_size,
        number=question.maps,
    )


def load_plan(folder: Folder) -> tuple[RunQuestion, ShardPlan]:
    """Read run.json."""
    place = folder.child(questions.NAME)
    with checked(place, "Give another folder for the results."):
        content = folder.read(questions.NAME)
    question = RunQuestion.from_json(content, place)
    return question, plan_of(question)


def read_photos_of(folder: Folder, question: RunQuestion) -> list[Item]:
    """Return the photos of a run.

    Raises:
        OutputError: the manifest is not there, or is not that of the run.
    """
    advice = "Give another folder for the results."
    with checked(folder.child(manifest.NAME), advice):
        items = manifest.read_manifest(folder.read(manifest.NAME))
        if PhotoList.of(items) != question.photos:
            raise ValueError(f"its photos are not those of {questions.NAME}")
    return items


def load_job(folder: Folder, model: ModelArguments) -> ShardJob:
    """Make a worker's job of a run's folder; loads the network.

    Args:
        folder: of the run.
        model: the network, as whoever started the run named it: what run.json says may come from
            anybody.

    Raises:
        ModelError: the network found here is not the run's network.
    """
    question, _ = load_plan(folder)
    items = read_photos_of(folder, question)
    classifier = load_model(model)
    check_network(classifier, question, "Give every worker the same file.")
    return make_job(folder, items, classifier, question)


def check_network(classifier: Classifier, question: RunQuestion, advice: str) -> None:
    """Refuse a network that is not the run's.

    Raises:
        ModelError: weights, labels, preprocessing or scores differ; names what does.
    """
    classifier.preprocess  # noqa: B018 - as in `describe`
    differences = network_fingerprint(classifier).differences(question.network)
    if differences:
        raise ModelError(
            f"'{classifier.name}' is not the network that the run was made with: "
            f"{'; '.join(differences)}. {advice}"
        )


def load_model(model: ModelArguments) -> Classifier:
    """Load a network that the user named."""
    from seewhy.zoo.load import load

    settings: dict[str, Any] = dict(model.settings)
    return load(model.name, **settings)
