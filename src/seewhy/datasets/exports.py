"""Bring a run's heatmaps, boxes, masks and mistakes to where photos are looked at and annotated.

Axes: h row, w column of a map, H W of a photo.
"""

from __future__ import annotations

import base64
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image

from seewhy.boxes import heatmap_boxes, heatmap_mask
from seewhy.datasets.reading import Run, read_run
from seewhy.errors import OptionError, needed
from seewhy.files import finite, shared_folder, write_whole
from seewhy.maps import heatmap_on_photo, scale_map, scale_signed_map
from seewhy.photos.photo import PhotoFailure
from seewhy.progress import Progress, no_progress
from seewhy.settings import Setting

OUTLINE_TOLERANCE = 0.002
"""How far an outline may be from the region's edge, of the photo's longer side."""

_FIELD = "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.{})"

FIELDS = {
    "prediction": _FIELD.format("Classification"),
    "ground_truth": _FIELD.format("Classification"),
    "heatmap": _FIELD.format("Heatmap"),
    "regions": _FIELD.format("Detections"),
}
"""The fields of a sample in FiftyOne, and their types."""

MOST_CELLS = 64
"""Rows and columns of a heatmap in FiftyOne, at most."""

EXPORT = (
    Setting(
        "threshold",
        "number",
        0.2,
        "share of the heatmap's maximum above which a pixel is in the mask",
        (0.0, 0.999),
    ),
    Setting(
        "prefix",
        "text",
        None,
        "what comes before each photo's path below the folder that all photos share, such as an "
        "address from which they are served",
        shown="the tool's own",
        metavar="TEXT",
    ),
)


@dataclass(frozen=True, eq=False)
class MarkedPhoto:
    """A photo of a run with its best class, and what is hot for it.

    Attributes:
        number: in the run.
        name: its path as the tool finds it.
        width, height: in pixels.
        label: the true class as it was written; None without one.
        correct: whether the best class is the true one; None without a label.
        index, found, probability: the best class.
        heatmap: its map on the photo: 0 to 1, or of a signed method −1 to 1; 0 where nothing was
            seen.
        mask: the largest hot region; empty where nothing speaks for the class.
        box: around it, (x0, y0, x1, y1), half-open; None where the mask is empty.
    """

    number: int
    name: str
    width: int
    height: int
    label: str | None
    correct: bool | None
    index: int
    found: str
    probability: float
    heatmap: Float[ndarray, "H W"]
    mask: Bool[ndarray, "H W"]
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: paths.
        photos: how many photos are in them.
        left_out: the photos that failed in the run or cannot be read any more, and why.
    """

    files: tuple[Path, ...]
    photos: int
    left_out: tuple[PhotoFailure, ...] = field(default=())


def export_run(
    run: Run | str | os.PathLike[str],
    to: str,
    out: str | os.PathLike[str],
    *,
    threshold: float = 0.2,
    prefix: str | None = None,
    progress: Progress = no_progress,
) -> Exported:
    """Write what a run found as files of another tool.

        seewhy.export_run("run", "coco", "for coco")

    Of each photo: the best class with its probability, the heatmap's largest hot region as box and
    mask, the true class where the run knows it, and whether the network is wrong.

    Args:
        run: what `seewhy.batch` wrote: its folder, or what `seewhy.read_run` returns.
        to: 'coco' (`annotations.json`, masks as run lengths), 'label-studio' (`tasks.json` with
            predictions, and `labels.xml` for the project), or 'fiftyone' (`samples.json`, with
            heatmaps and masks).
        out: the folder.
        threshold: share of the heatmap's maximum above which a pixel is hot.
        prefix: what comes before each photo's path below the folder that all photos share. Unless
            given: nothing for COCO, '/data/local-files/?d=' for Label Studio, and that folder
            for FiftyOne.
        progress: called with (done, total) photos.

    Raises:
        OptionError: there is no such tool or no run, the run is of named classes, or the threshold
            is no share.
        OutputError: the folder cannot be written.
    """
    if to not in TOOLS:
        raise OptionError(f"There is no export to '{to}'. Choose one of {', '.join(TOOLS)}.")
    for row, value in zip(EXPORT, (threshold, prefix), strict=True):
        row.check(value)
    made = run if isinstance(run, Run) else read_run(run)
    if made.question.request.classes is not None:
        raise OptionError(
            f"The run in '{made.folder.place}' explains classes that were named, and an export is "
            "of the best class of each photo. Repeat the run without --class, into another folder."
        )
    failures: list[PhotoFailure] = []
    count = 0

    def counted() -> Iterator[MarkedPhoto]:
        nonlocal count
        for count, photo in enumerate(_marked(made, threshold, prefix, to, failures), 1):
            progress(count + len(failures), len(made))
            yield photo

    files = TOOLS[to].write(counted(), made)
    written = [
        write_whole(Path(out) / name, content.encode(errors="backslashreplace"))
        for name, content in files.items()
    ]
    return Exported(tuple(written), count, tuple(failures))


def _marked(
    run: Run, threshold: float, prefix: str | None, to: str, failures: list[PhotoFailure]
) -> Iterator[MarkedPhoto]:
    """Yield the photos of a run with what is hot; those that fail are added to the failures."""
    photos = run.photos.to_pylist()
    paths = [run.where(row["path"]) for row in photos]
    folder = shared_folder(paths)
    before = TOOLS[to].prefix if prefix is None else prefix
    before = folder if before is None else before
    for row, path, explanation in zip(photos, paths, run, strict=True):
        if isinstance(explanation, PhotoFailure):
            failures.append(explanation)
            continue
        height, width = explanation.photos[0].pixels.shape[:2]
        raw, placement = explanation.maps[0, 0], explanation.placements[0]
        placed = heatmap_on_photo(raw, placement, (height, width))
        heat = np.nan_to_num((scale_signed_map if explanation.signed else scale_map)(placed))
        boxes = heatmap_boxes(heat, threshold=threshold).tolist()
        yield MarkedPhoto(
            number=row["photo_id"],
            name=before + path.replace("\\", "/")[len(folder) :],
            width=width,
            height=height,
            label=row["label"],
            correct=row["correct"],
            index=row["class_index"],
            found=row["class_name"],
            probability=row["probability"],
            heatmap=heat,
            mask=heatmap_mask(heat, threshold=threshold),
            box=tuple(boxes[0]) if boxes else None,
        )


def _coco(photos: Iterable[MarkedPhoto], run: Run) -> dict[str, str]:
    """Return COCO's annotations: an image may have one, of the best class; ids begin with 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for photo in photos:
        images.append(
            {
                "id": photo.number + 1,
                "file_name": photo.name,
                "width": photo.width,
                "height": photo.height,
            }
            | {"label": photo.label, "correct": photo.correct, "predicted": photo.found}
        )
        if photo.box is not None:
            x0, y0, x1, y1 = photo.box
            annotations.append(
                {"id": len(annotations) + 1, "image_id": photo.number + 1}
                | {"category_id": photo.index + 1, "score": finite(photo.probability)}
                | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": int(photo.mask.sum()), "iscrowd": 0}
                | {"segmentation": {"counts": run_lengths(photo.mask), "size": [*photo.mask.shape]}}
            )
    categories = [
        {"id": index + 1, "name": name} for index, name in enumerate(run.question.background.labels)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    return {"annotations.json": _json({"info": {"description": repr(run)}} | content)}


def run_lengths(mask: Bool[ndarray, "H W"]) -> list[int]:
    """Return COCO's uncompressed run lengths: column by column, of pixels outside first.

    Source:
        Lin et al., *Microsoft COCO*, ECCV 2014; `maskApi.h` of the COCO API.
    """
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff([0, *changes.tolist(), mask.size])]


def _label_studio(photos: Iterable[MarkedPhoto], run: Run) -> dict[str, str]:
    """Return Label Studio's tasks, whose predictions are the best class, its box and outline."""
    labels = run.question.background.labels
    tasks = []
    for photo in photos:
        size = {"original_width": photo.width, "original_height": photo.height, "image_rotation": 0}
        results: list[dict[str, Any]] = [
            _result("class", "choices", {"choices": [photo.found]}),
        ]
        if photo.box is not None:
            x0, y0, x1, y1 = photo.box
            across, down = 100 / photo.width, 100 / photo.height
            box = {"x": x0 * across, "y": y0 * down}
            box |= {"width": (x1 - x0) * across, "height": (y1 - y0) * down, "rotation": 0}
            points = [[x * across, y * down] for x, y in outline(photo.mask)]
            results += [
                _result("box", "rectanglelabels", box | {"rectanglelabels": [photo.found]}) | size,
                _result(
                    "outline", "polygonlabels", {"points": points, "polygonlabels": [photo.found]}
                )
                | size,
            ]
        tasks.append(
            {
                "data": {"image": photo.name, "label": photo.label, "correct": photo.correct},
                "predictions": [
                    {
                        "model_version": run.question.network.name,
                        "score": finite(photo.probability),
                        "result": results,
                    }
                ],
            }
        )
    return {"tasks.json": _json(tasks), "labels.xml": _label_config(labels)}


def _result(name: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": kind, "value": dict(value)}


def _label_config(labels: Sequence[str]) -> str:
    """Return the labelling interface into which the predictions fit."""
    from xml.sax.saxutils import quoteattr

    names = {
        kind: "".join(f"    <{kind} value={quoteattr(label)}/>\n" for label in labels)
        for kind in ("Choice", "Label")
    }
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="class" toName="image">\n{names["Choice"]}  </Choices>\n'
        f'  <RectangleLabels name="box" toName="image">\n{names["Label"]}  </RectangleLabels>\n'
        f'  <PolygonLabels name="outline" toName="image">\n{names["Label"]}  </PolygonLabels>\n'
        "</View>\n"
    )


def outline(mask: Bool[ndarray, "H W"]) -> list[tuple[float, float]]:
    """Return the outer outline of a region as points (x, y) in pixels, edges not centres."""
    measure = needed("skimage.measure", "An outline around heat")
    contours = measure.find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    longest = max(contours, key=len)
    height, width = mask.shape
    fine = max(0.3, OUTLINE_TOLERANCE * max(height, width))
    points = measure.approximate_polygon(longest, fine)[:-1] - 0.5  # of the padded mask's centres
    return [(float(np.clip(x, 0, width)), float(np.clip(y, 0, height))) for y, x in points.tolist()]


def _fiftyone(photos: Iterable[MarkedPhoto], run: Run) -> dict[str, str]:
    """Return what `fiftyone.Dataset.from_json` reads, with heatmaps and masks inside."""
    samples = []
    for photo in photos:
        mistaken = photo.correct is False
        sample: dict[str, Any] = {
            "_media_type": "image",
            "filepath": photo.name,
            "tags": ["mistake"] if mistaken else [],
            "metadata": {"_cls": "ImageMetadata", "width": photo.width, "height": photo.height},
            "prediction": {"_cls": "Classification", "label": photo.found}
            | {"confidence": finite(photo.probability)},
            "heatmap": {"_cls": "Heatmap", "map": _array(_shrunk(photo.heatmap))}
            | {"range": [-1.0 if photo.heatmap.min() < 0 else 0.0, 1.0]},
        }
        if photo.label is not None:
            sample["ground_truth"] = {"_cls": "Classification", "label": photo.label}
        if photo.box is not None:
            x0, y0, x1, y1 = photo.box
            edges = [x0 / photo.width, y0 / photo.height]
            edges += [(x1 - x0) / photo.width, (y1 - y0) / photo.height]
            detection: dict[str, Any] = {
                "_cls": "Detection",
                "label": photo.found,
                "bounding_box": edges,
            }
            detection |= {"mask": _array(photo.mask[y0:y1, x0:x1])}
            detection |= {"confidence": finite(photo.probability)}
            sample["regions"] = {"_cls": "Detections", "detections": [detection]}
        samples.append(sample)
    whole: dict[str, Any] = {"name": Path(run.folder.place).name, "media_type": "image"}
    whole |= {"sample_fields": FIELDS, "samples": samples}
    return {"samples.json": _json(whole)}


def _shrunk(heatmap: Float[ndarray, "H W"]) -> Float[ndarray, "_ _"]:
    """Return a heatmap of at most 64 rows and columns, which FiftyOne spreads over the photo."""
    height, width = heatmap.shape
    image = Image.fromarray(heatmap.astype(np.float32))
    size = (min(width, MOST_CELLS), min(height, MOST_CELLS))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _array(values: ndarray) -> dict[str, Any]:
    """Return an array as FiftyOne writes it: NumPy's format, compressed, in MongoDB's JSON."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    text = base64.b64encode(zlib.compress(content.getvalue())).decode()
    return {"$binary": {"base64": text, "subType": "00"}}


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Tool:
    """A tool that reads what is written.

    Attributes:
        write: returns the files by name.
        prefix: before each photo's path below the shared folder; None: that folder.
    """

    write: Callable[[Iterable[MarkedPhoto], Run], dict[str, str]]
    prefix: str | None


TOOLS = {
    "coco": Tool(_coco, ""),
    "label-studio": Tool(_label_studio, "/data/local-files/?d="),
    "fiftyone": Tool(_fiftyone, None),
}
"""All tools that a run can be exported to."""
