"""Report on photos or on a finished run: observe, analyse, and test what looks like a shortcut."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.datasets.asking import row_job, rows_in_batches
from seewhy.datasets.batch import run_batch
from seewhy.datasets.manifest import FOLDERS, Item, find_items
from seewhy.datasets.plan import check_network, describe, load_model
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.reading import Run, is_run, read_run
from seewhy.datasets.settings import BATCH_SIZE, COLUMN
from seewhy.datasets.shards import read_shard
from seewhy.datasets.storage import is_address
from seewhy.errors import MissingFramework, ModelError, OptionError, UnknownName
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.keywords import MapKeywords, parted
from seewhy.explaining.order import refuse_networks
from seewhy.explaining.question import is_class_free
from seewhy.explaining.request import Request, with_keywords
from seewhy.explaining.rows import RowSelection
from seewhy.files import shared_folder
from seewhy.progress import Progress, no_progress
from seewhy.reporting.descriptors import scikit_learn
from seewhy.reporting.facts import facts_in_words
from seewhy.reporting.findings import ReportContext, analyse
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.objects import check_masks, objects_of
from seewhy.reporting.observations import observe
from seewhy.reporting.result import Report
from seewhy.reporting.robustness import drawn_sample
from seewhy.reporting.settings import SEED, TRUTH, WORK, ReportSettings
from seewhy.reporting.shelf import Shelf
from seewhy.zoo.load import load

NO_LABELS = "none"
"""The word for photos whose folders are not their labels."""


class ReportKeywords(MapKeywords, total=False):
    """The keywords of `report`: those of `seewhy.explain` for the best class, and its own."""

    true_labels: str | Sequence[str] | None
    column: str
    boxes: str | os.PathLike[str] | Sequence[ndarray] | None
    object_masks: str | os.PathLike[str] | Sequence[ndarray | None] | None
    changes: int
    run: str | os.PathLike[str] | None
    workers: int
    worker_timeout: int
    seed: int


CLASSES = ("top", "classes", "target", "contrast")
"""Keywords of a request that a report does not have."""


@with_keywords(ReportKeywords, *TRUTH, *WORK, SEED)
def report(
    source: Any,
    classifier: Any = None,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
    **request: Unpack[ReportKeywords],
) -> Report:
    """Report where a network is wrong, why, and whether it is right for the wrong reason.

        report = seewhy.report("photos", "animals.keras")
        print(report.findings[0].text)
        report.save("report.html")

    Groups of photos that stand apart are tested on the network: what they are recognised by is
    covered, in them and in other photos.

    Args:
        source: photos, as for `seewhy.batch`; or a finished run: its folder, or what
            `seewhy.read_run` returns.
        classifier: the network: a name or a file, or what `seewhy.explain` takes. Of a run, by
            default the network that it was made with.
        settings: further arguments of `seewhy.load` if `classifier` is a name.
        progress: called with (done, total) photos, and again for those that are changed.
        request: as for `seewhy.explain`, but for what says which classes: a report is about the
            best one of each photo. And:
        true_labels: 'folders' (the default where all photos are in sub-folders of one folder), a
            column of a table, a list, or 'none'. Not of a run, which has its own.
        column: the column of paths in a table.
        boxes: where the things are: a file or folder of annotations as for `seewhy locate`, or one
            array of (x0, y0, x1, y1) per photo that can be explained.
        object_masks: likewise: a folder with a PNG for each photo (cow.png for cow.jpg, or in a
            sub-folder of the photo's folder's name), or one (height, width) array or None per photo
            that can be explained. Pixels of the object are not zero. A mask counts before boxes.
        changes: photos that the network sees again with harmless changes, such as blurred or in
            grey: 15 passes for each; 0: none.
        run: keep the run in this folder, so that it can be resumed and reported on again; by
            default nothing is kept.
        workers: processes that explain photos; needs `run`.
        worker_timeout: seconds, as for `seewhy.batch`.
        seed: of clusters and draws.

    Returns:
        The findings; `.save("report.html")` writes the page.

    Raises:
        OptionError: the run is unfinished or is of a method without maps of classes; or something
            else that cannot be used.
        UnknownClass: labels that the network does not have; names them.
        MissingFramework: scikit-learn is not installed, or pyarrow for runs.
        PhotoError, ModelError, UnknownModel, UnknownMethod, UnknownLayer: as `seewhy.batch`.
    """
    scikit_learn("cluster")
    of_report, own = parted(request, ("boxes", "object_masks", "changes", "seed"))
    own, asked = parted(own, ("true_labels", "column", "run", "workers", "worker_timeout"))
    wanted, true_labels, run = ReportSettings(**of_report), own.get("true_labels"), own.get("run")
    for name in CLASSES:
        if name in asked:
            raise OptionError(
                f"A report is about the best class of each photo. Leave {name}=... out."
            )
    refuse_networks(source)
    if isinstance(source, Run) or is_run(source):
        others = asked.keys() - {"output", "batch_size"}
        if true_labels is not None or any(asked[name] is not None for name in others):
            raise OptionError(
                "A run has its own labels, method and layer. Leave them out, or give photos."
            )
        made = source if isinstance(source, Run) else read_run(source)
        return _of_run(made, classifier, settings or {}, wanted, progress=progress)
    if classifier is None:
        raise OptionError(
            "A report on photos needs a network. Name one: --model M on the command "
            "line, classifier=... in Python."
        )
    items = listed_photos(source, own.get("column", COLUMN.default), true_labels)
    if isinstance(wanted.object_masks, str | os.PathLike):
        check_masks(wanted.object_masks, [item.path for item in items])
    at_once = asked.get("batch_size") or BATCH_SIZE.default
    asked |= {"batch_size": at_once, "top": 1}
    question = Request.single(**asked)
    _check(question)
    if run is None and own.get("workers"):
        raise OptionError("Workers write a run. Name a folder for it: run=..., or --run FOLDER.")
    if run is None:
        network = loaded(classifier, settings or {})
        return report_on_items(network, items, question, wanted, progress=progress)
    shelf = Shelf(_sample(items, wanted))
    asked |= {name: own[name] for name in ("workers", "worker_timeout") if name in own}
    asked |= {"shard_size": 32 * at_once}
    asked |= {"descriptors": True, "maps": "float16"}
    made = run_batch(
        classifier, items, run, asked, settings=settings, progress=progress, read=shelf.read
    )
    given = None if isinstance(classifier, str | os.PathLike) else classifier
    return _of_run(made, given, {}, wanted, shelf=shelf, progress=progress)


def report_on_items(
    classifier: Classifier,
    items: Sequence[Item],
    request: Request,
    settings: ReportSettings,
    *,
    trained: Sequence[Item] | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Report on photos that are listed already, without writing a run.

    Args:
        classifier: the network.
        items: the photos, with their labels.
        request: of one method, and of the best class.
        settings: of the report.
        trained: photos that the network was trained on: they are searched for shortcuts as well,
            and have no part in the rest; None where nobody knows.
        progress: as for `report`.
    """
    whole = [*items, *(trained or ())]
    check_classes(classifier)
    shelf = Shelf(_sample(items, settings))
    wanted = RowSelection(descriptors=True)
    job = row_job(classifier, request, whole, wanted=wanted, read=shelf.read)
    _check(job.request)
    done = 0

    def advance(photos: int) -> None:
        nonlocal done
        done += photos
        progress(done, len(whole))

    seen = observe(rows_in_batches(job, whole, advance=advance))
    if trained is not None:
        learned = {item.path for item in trained}
        seen = replace(seen, trained=np.array([path in learned for path in seen.paths]))
    asked = describe(job, whole)
    context = ReportContext(
        facts=facts_in_words(asked, seen, shared_folder(seen.paths)),
        gallery=Gallery(seen.paths, asked.fit, shelf),
        network=classifier,
        notes=() if settings.search else (WITHOUT_SEARCH,),
        signed=job.question.methods[0].signed,
        objects=objects_of(settings.boxes, settings.object_masks, seen),
        settings=settings,
    )
    return analyse(seen, context, progress=progress)


WITHOUT_SEARCH = (
    "Clusters and shortcuts were left out: scikit-learn is not installed. Install it, and make the "
    "report again: pip install 'seewhy[report]'"
)


def _sample(items: Sequence[Item], settings: ReportSettings) -> list[str]:
    """Return the paths of photos that are shown again, changed: drawn before any is decoded.

    They are drawn evenly from the labels; without labels, from all photos.
    """
    there = [item for item in items if item.problem is None]
    some = [item for item in there if item.label is not None] or there
    labels = np.unique([item.label or "" for item in some], return_inverse=True)[1]
    paths = [item.path for item in some]
    return drawn_sample(paths, labels, settings.changes, seed=settings.seed)


def _of_run(
    run: Run,
    classifier: Any,
    given: Mapping[str, Any],
    settings: ReportSettings,
    *,
    shelf: Shelf | None = None,
    progress: Progress,
) -> Report:
    asked = run.question
    place = run.folder.place
    if not run.is_complete:
        raise OptionError(
            f"The run in '{place}' is unfinished: {run.counts['photos']} of {len(run)} photos are "
            "done. Finish it first: repeat the command that started it."
        )
    if asked.request.classes is not None:
        raise OptionError(
            f"The run in '{place}' explains classes that were named, and a report is about the "
            "best class of each photo. Repeat the run without --class, into another folder."
        )
    _check(asked.request)
    notes = []
    network: Classifier | None = None
    try:
        network = _network_of(run, classifier, given)
    except (ModelError, UnknownName, MissingFramework, OptionError) as error:
        if classifier is not None:
            raise
        notes.append(f"Suspects and changes could not be tested on the network: {error}")
    if network is None and not notes:
        notes.append(
            "Suspects and changes were not tested: the run was made with a network that is not in "
            "a file. Give the network, too: seewhy.report(run, classifier)."
        )
    seen = observe(read_shard(run.folder, run.plan, shard) for shard in run.shards)
    shelf = shelf or Shelf(map(run.where, _sample(run.items, settings)))
    context = ReportContext(
        facts=facts_in_words(asked, seen, place),
        gallery=Gallery(tuple(map(run.where, seen.paths)), asked.fit, shelf),
        network=network,
        notes=tuple(notes),
        signed=asked.request.table[0].signed,
        objects=objects_of(settings.boxes, settings.object_masks, seen),
        settings=settings,
    )
    return analyse(seen, context, progress=progress)


def _network_of(run: Run, classifier: Any, settings: Mapping[str, Any]) -> Classifier | None:
    """Return the run's network; None where it is not in a file, and none was given."""
    if classifier is not None:
        network = loaded(classifier, settings)
    elif run.question.model is not None:
        name, given = run.question.model.stored()
        network = load(name, **given)
    else:
        return None
    check_network(network, run.question, "Give the network that the run was made with.")
    return network


def loaded(classifier: Any, settings: Mapping[str, Any]) -> Classifier:
    """Return the network that was given, or load the one that was named."""
    if isinstance(classifier, str | os.PathLike):
        return load_model(ModelArguments.of(classifier, settings))
    if settings:
        raise OptionError("'settings' are for a network that is given by name. Leave them out.")
    return as_classifier(classifier)


def _check(request: Request) -> None:
    """Refuse a method without maps of classes."""
    for row in request.table:
        if is_class_free(row, request.options.get(row.name, {})):
            raise OptionError(
                f"'{row.name}' has one map per photo, whatever the class, and a report compares "
                "classes. Choose a method with maps of classes, such as cam or grad-cam."
            )


def check_classes(classifier: Classifier) -> None:
    """Refuse a network without classes."""
    if classifier.network.classes is None or classifier.is_regression:
        raise OptionError(
            f"'{classifier.name}' has no classes, and a report is about classes. Give a classifier."
        )


def listed_photos(source: Any, column: str, given: Any) -> list[Item]:
    """Return the photos with their labels.

    Unless something is given, labels are the sub-folders of a single folder that has photos in
    sub-folders only.
    """
    sources = [source] if isinstance(source, str | os.PathLike) else list(source)
    lone_source = sources[0] if len(sources) == 1 else None
    root = None
    if (
        given is None
        and isinstance(lone_source, str | os.PathLike)
        and not is_address(os.fspath(lone_source))
    ):
        folder = Path(lone_source).expanduser()
        root = folder.absolute() if folder.is_dir() else None
    labels = FOLDERS if root else None if isinstance(given, str) and given == NO_LABELS else given
    items = find_items(source, column=column, true_labels=labels)
    if root and any(Path(item.path).parent == root for item in items):
        return [replace(item, label=None) for item in items]
    return items
