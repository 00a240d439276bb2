"""`seewhy locate`: boxes around what the network recognises."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.commands.arguments import (
    JSON,
    LAYER,
    add_classes,
    add_model,
    load_model,
)
from seewhy.commands.parsing import add_group, add_photos, add_settings, results, values_of
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.locating.annotations import AnnotatedPhoto
    from seewhy.locating.result import Locations

METHOD = Setting(
    "method",
    "text",
    None,
    "a name from `seewhy methods`",
    shown="cam if the network supports it, else grad-cam (of tokens hires-cam)",
    metavar="M",
)
RESULTS = (
    Setting("heat", "boolean", True, "draw the heat under the boxes", flag="--no-heat"),
    JSON,
    Setting("coco", "text", None, "write COCO annotations", metavar="FILE"),
    Setting("voc", "text", None, "write Pascal VOC annotations, one per photo", metavar="DIR"),
)

HELP = "boxes around what the network recognises"
DESCRIPTION = "Draw boxes from heatmaps, and classify the content of each box again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the model, the classes, the search and the results."""
    from seewhy.explaining.settings import BATCH_SIZE
    from seewhy.locating.settings import SEARCH

    add_photos(parser)
    add_model(parser)
    add_classes(parser)
    add_settings(parser, METHOD, LAYER, *SEARCH, BATCH_SIZE)
    add_group(parser, "results", *results("where", formats="jpg"), *RESULTS)


def run(args: argparse.Namespace) -> int:
    """Locate photo by photo, write pictures and annotations, and report photos that fail."""
    from seewhy.commands.outputs import Outputs
    from seewhy.commands.photos import sources_of
    from seewhy.files import Inputs, write_whole
    from seewhy.locating.annotations import coco_file, voc_file

    sources = sources_of(args.photos)
    if not sources:
        return 1
    outputs = Outputs(args.out, sources)
    inputs = Inputs(sources)
    inputs.check(*filter(None, [args.coco]))
    classifier = load_model(args)
    failed: list[str] = []
    annotated: list[AnnotatedPhoto] = []
    rows: list[dict[str, Any]] = []
    description = ""
    for locations in _located(args, classifier, sources, failed):
        (photo,) = locations.photos
        stem = outputs.stem(photo.name)
        written = locations.save(outputs.path(f"{stem}.{args.format}"), heat=args.heat)
        (annotation,), description = locations.annotated(), locations.description
        if args.voc:
            xml = Path(args.voc) / f"{stem}.xml"
            inputs.check(xml)
            written.append(write_whole(xml, voc_file(annotation, folder=Path(args.voc).name)))
        if args.coco:
            annotated.append(annotation)
        if args.json:
            rows += locations.as_dict()
        else:
            sys.stdout.write(_table(locations))
        for path in written:
            sys.stderr.write(f"{path}\n")
    if annotated:
        sys.stderr.write(
            f"{write_whole(args.coco, coco_file(annotated, description=description))}\n"
        )
    if args.json:
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return 1 if failed else 0


def _located(
    args: argparse.Namespace, classifier: Classifier, sources: list[Any], failed: list[str]
) -> Iterator[Locations]:
    """Yield the boxes of each photo; photos are read ahead, and failures reported."""
    from seewhy.commands.progress import progress_bar
    from seewhy.explaining.request import Request
    from seewhy.locating._locate import located_photos
    from seewhy.locating.search import BoxSearch
    from seewhy.locating.settings import SEARCH
    from seewhy.photos.photo import PhotoFailure

    request = Request.single(
        method=args.method,
        top=args.top,
        classes=args.classes,
        layer=args.layer,
        batch_size=args.batch_size,
    )
    search = BoxSearch(request=request, **values_of(args, SEARCH))
    with progress_bar("photos") as progress:
        for item in located_photos(classifier, sources, search, progress=progress):
            if isinstance(item, PhotoFailure):
                failed.append(item.name)
                sys.stderr.write(f"seewhy: {item.reason}\n")
            else:
                yield item


def _table(locations: Locations) -> str:
    """Return the text for one photo: a line for each box."""
    from seewhy.classifier.familiarity import UNFAMILIAR

    (photo,), (boxes,) = locations.photos, locations.found
    strange = "" if locations.is_familiar() else f"{photo.name}\t{UNFAMILIAR}\n"
    return strange + "".join(
        f"{photo.name}\t{box.title}\t{' '.join(map(str, box.box))}\n" for box in boxes
    )
