"""Report on photos or on a finished run: observe, analyse, and test what looks like a shortcut."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.datasets.asking import row_job, rows_in_batches
from seewhy.datasets.batch import batch
from seewhy.datasets.manifest import FOLDERS, Item, find_items
from seewhy.datasets.plan import check_network, describe, load_model
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.reading import Run, is_run, read_run
from seewhy.datasets.shards import read_shard
from seewhy.datasets.storage import is_address
from seewhy.errors import MissingFramework, ModelError, OptionError, UnknownName
from seewhy.explaining.explain import as_classifier
from seewhy.explaining.order import refuse_networks
from seewhy.explaining.question import find_method, is_class_free
from seewhy.explaining.request import Request
from seewhy.explaining.rows import RowSelection
from seewhy.files import shared_folder
from seewhy.networks.base import Output
from seewhy.progress import Progress, no_progress
from seewhy.reporting.descriptors import scikit_learn
from seewhy.reporting.facts import facts_in_words
from seewhy.reporting.findings import Setting, analyse
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.objects import check_masks, objects_of
from seewhy.reporting.observations import observe
from seewhy.reporting.proof import Answer
from seewhy.reporting.result import Appendix, Report
from seewhy.reporting.robustness import CHANGED
from seewhy.reporting.settings import CHANGES
from seewhy.zoo.load import load

NO_LABELS = "none"
"""The word for photos whose folders are not their labels."""


def report(
    source: Any,
    classifier: Any = None,
    *,
    true_labels: str | Sequence[str] | None = None,
    column: str = "path",
    method: str | None = None,
    layer: Any = None,
    output: Output = "score",
    boxes: str | os.PathLike[str] | Sequence[ndarray] | None = None,
    object_masks: str | os.PathLike[str] | Sequence[ndarray | None] | None = None,
    changes: int = CHANGED,
    run: str | os.PathLike[str] | None = None,
    workers: int = 0,
    batch_size: int = 8,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
    **options: Any,
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
        true_labels: 'folders' (the default where all photos are in sub-folders of one folder), a
            column of a table, a list, or 'none'. Not of a run, which has its own.
        column: the column of paths in a table.
        method, layer, output, options: as for `seewhy.explain`.
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
        batch_size: photos per batch.
        settings: further arguments of `seewhy.load` if `classifier` is a name.
        seed: of clusters and draws.
        progress: called with (done, total) photos, and again for those that are changed.

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
    CHANGES.check(changes)
    refuse_networks(source)
    of_run = functools.partial(
        _of_run,
        boxes=boxes,
        object_masks=object_masks,
        changes=changes,
        seed=seed,
        progress=progress,
    )
    if isinstance(source, Run) or is_run(source):
        if true_labels is not None or method is not None or layer is not None or options:
            raise OptionError(
                "A run has its own labels, method and layer. Leave them out, or give photos."
            )
        made = source if isinstance(source, Run) else read_run(source)
        return of_run(made, classifier, settings or {})
    if classifier is None:
        raise OptionError(
            "A report on photos needs a network. Name one: --model M on the command "
            "line, classifier=... in Python."
        )
    items, labels = listed_photos(source, column, true_labels)
    if isinstance(object_masks, str | os.PathLike):
        check_masks(object_masks, [item.path for item in items])
    if run is not None:
        _check(find_method(method) if method else None, options)
        made = batch(
            classifier, source, run, method=method, top=1, layer=layer, output=output,
            true_labels=labels, column=column, descriptors=True, maps="float16",
            batch_size=batch_size, shard_size=32 * batch_size, workers=workers, settings=settings,
            progress=progress, **options,
        )  # fmt: skip
        given = None if isinstance(classifier, str | os.PathLike) else classifier
        return of_run(made, given, {})
    if workers:
        raise OptionError("Workers write a run. Name a folder for it: run=..., or --run FOLDER.")
    return report_on_items(
        loaded(classifier, settings or {}),
        items,
        method=method,
        layer=layer,
        output=output,
        boxes=boxes,
        object_masks=object_masks,
        changes=changes,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
        options=options,
    )


def report_on_items(
    classifier: Classifier,
    items: Sequence[Item],
    *,
    method: str | None = None,
    layer: Any = None,
    output: Output = "score",
    boxes: str | os.PathLike[str] | Sequence[ndarray] | None = None,
    object_masks: str | os.PathLike[str] | Sequence[ndarray | None] | None = None,
    changes: int = CHANGED,
    batch_size: int = 8,
    seed: int = 0,
    progress: Progress = no_progress,
    options: Mapping[str, Any] | None = None,
    search: bool = True,
    appendix: Appendix | None = None,
    trained: Sequence[Item] | None = None,
) -> Report:
    """Report on photos that are listed already, without writing a run.

    Args:
        classifier: the network.
        items: the photos, with their labels.
        method, layer, output, boxes, object_masks, changes: as for `report`.
        batch_size, seed, progress: likewise.
        options: of the method.
        search: whether to look for clusters and shortcuts, which needs scikit-learn.
        appendix: what the page ends with.
        trained: photos that the network was trained on: they are searched for shortcuts as well,
            and have no part in the rest; None where nobody knows.
    """
    whole = [*items, *(trained or ())]
    check_classes(classifier)
    request = Request.single(
        method=method, top=1, layer=layer, output=output, batch_size=batch_size, **(options or {})
    )
    job = row_job(classifier, request, whole, wanted=RowSelection(descriptors=True))
    (row,) = job.question.methods
    _check(row, options or {})
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
    return analyse(
        seen,
        Setting(
            facts=facts_in_words(asked, seen, shared_folder(seen.paths)),
            gallery=Gallery(seen.paths, classifier.fit),
            answer=answer_of(classifier),
            label=classifier.label,
            notes=() if search else (WITHOUT_SEARCH,),
            signed=row.signed,
            objects=objects_of(boxes, object_masks, seen),
            changed=changes,
            search=search,
            appendix=appendix,
        ),
        seed=seed,
        progress=progress,
    )


WITHOUT_SEARCH = (
    "Clusters and shortcuts were left out: scikit-learn is not installed. Install it, and make the "
    "report again: pip install 'seewhy[report]'"
)


def answer_of(classifier: Classifier, *, batch_size: int = 32) -> Answer:
    """Return the network as a function from fitted pixels to probabilities."""

    def answer(pixels: ndarray) -> ndarray:
        parts = [
            classifier.network.scores(classifier.to_input(pixels[start : start + batch_size]))
            for start in range(0, len(pixels), batch_size)
        ]
        return classifier.probabilities(np.concatenate(parts))

    return answer


def _of_run(
    run: Run,
    classifier: Any,
    settings: Mapping[str, Any],
    *,
    boxes: Any,
    object_masks: Any,
    changes: int,
    seed: int,
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
    row = find_method(asked.method)
    _check(row, asked.request.options.get(row.name, {}))
    notes = []
    network: Classifier | None = None
    try:
        network = _network_of(run, classifier, settings)
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
    return analyse(
        seen,
        Setting(
            facts=facts_in_words(asked, seen, place),
            gallery=Gallery(tuple(map(run.where, seen.paths)), asked.fit),
            answer=None if network is None else answer_of(network),
            label=None if network is None else network.label,
            notes=tuple(notes),
            signed=row.signed,
            objects=objects_of(boxes, object_masks, seen),
            changed=changes,
        ),
        seed=seed,
        progress=progress,
    )


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


def _check(method: Any, options: Mapping[str, Any]) -> None:
    """Refuse a method without maps of classes."""
    if method is not None and is_class_free(method, options):
        raise OptionError(
            f"'{method.name}' has one map per photo, whatever the class, and a report compares "
            "classes. Choose a method with maps of classes, such as cam or grad-cam."
        )


def check_classes(classifier: Classifier) -> None:
    """Refuse a network without classes."""
    if classifier.network.classes is None or classifier.is_regression:
        raise OptionError(
            f"'{classifier.name}' has no classes, and a report is about classes. Give a classifier."
        )


def listed_photos(source: Any, column: str, given: Any) -> tuple[list[Item], Any]:
    """Return the photos, listed once, and where their labels come from.

    Unless something is given, labels are the sub-folders of a single folder that has photos in
    sub-folders only.
    """
    sources = [source] if isinstance(source, str | os.PathLike) else list(source)
    one = sources[0] if len(sources) == 1 else None
    root = None
    if given is None and isinstance(one, str | os.PathLike) and not is_address(os.fspath(one)):
        folder = Path(one).expanduser()
        root = folder.absolute() if folder.is_dir() else None
    labels = FOLDERS if root else None if isinstance(given, str) and given == NO_LABELS else given
    items = find_items(source, column=column, true_labels=labels)
    if root and any(Path(item.path).parent == root for item in items):
        return [replace(item, label=None) for item in items], None
    return items, labels
