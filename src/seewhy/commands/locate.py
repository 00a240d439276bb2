"""`seewhy locate`: boxes around what the network recognises."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.commands.arguments import (
    add_batch_size,
    add_class_arguments,
    add_model_arguments,
    load_model,
    positive,
    share,
    whole_number,
)

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.locating.annotations import AnnotatedPhoto
    from seewhy.locating.result import Locations


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "locate",
        help="boxes around what the network recognises",
        description="Draw boxes from heatmaps, and classify the content of each box again.",
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="files, folders or globs")
    add_model_arguments(parser)
    add_class_arguments(parser)
    parser.add_argument(
        "--method", metavar="M", help="default: cam if the network supports it, else grad-cam"
    )
    parser.add_argument("--layer", metavar="L", help="the layer whose heatmap gives the boxes")
    parser.add_argument(
        "--threshold",
        type=share,
        metavar="T",
        help="share of the heatmap's maximum above which a pixel belongs to the object (0.25; "
        "0.2 without tiles)",
    )
    parser.add_argument(
        "--components",
        choices=("largest", "all"),
        default="largest",
        help="box the largest connected component of a heatmap, or all (largest)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="one pass over the whole photo for its best class, not ten for the five best",
    )
    parser.add_argument(
        "--zoom",
        type=whole_number(),
        metavar="N",
        help="explain tiles of 1/N of the photo's sides, fused (2; 1 with --fast)",
    )
    parser.add_argument(
        "--objects",
        type=whole_number(),
        default=1,
        metavar="N",
        help="erase what was found and look again, for at most N objects (1)",
    )
    parser.add_argument(
        "--several",
        action="store_true",
        help="look for several objects, on tiles of two scales (up to 95 passes of a photo)",
    )
    parser.add_argument(
        "--min-support",
        type=positive,
        metavar="S",
        help="with --several: the least support of a box (0.05)",
    )
    parser.add_argument(
        "--one-look",
        action="store_true",
        help="label boxes by their heatmap's class, without classifying their content",
    )
    parser.add_argument(
        "--overlap",
        type=share,
        default=0.5,
        metavar="IOU",
        help="IoU above which only the likelier of two boxes is kept (0.5)",
    )
    parser.add_argument(
        "--min-probability",
        type=share,
        default=0.0,
        metavar="P",
        help="leave out boxes with a lower probability (0)",
    )
    add_batch_size(parser)
    out = parser.add_argument_group("results")
    out.add_argument(
        "--out", default="where", metavar="DIR", help="the folder for pictures (where)"
    )
    out.add_argument("--format", choices=("png", "jpg", "pdf"), default="png", help="of pictures")
    out.add_argument("--no-heat", action="store_true", help="draw the boxes on the bare photo")
    out.add_argument("--json", action="store_true", help="print JSON to stdout")
    out.add_argument("--coco", metavar="FILE", help="write COCO annotations")
    out.add_argument("--voc", metavar="DIR", help="write Pascal VOC annotations, one per photo")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Locate photo by photo, write pictures and annotations, and report photos that fail."""
    from seewhy.commands.outputs import Outputs
    from seewhy.commands.photos import sources_of
    from seewhy.files import write_whole
    from seewhy.locating.annotations import coco_file, voc_file

    sources = sources_of(args.photos)
    if not sources:
        return 1
    outputs = Outputs(args.out, sources)
    classifier = load_model(args)
    failed: list[str] = []
    annotated: list[AnnotatedPhoto] = []
    rows: list[dict[str, Any]] = []
    description = ""
    for locations in _located(args, classifier, sources, failed):
        (photo,) = locations.photos
        stem = outputs.stem(photo.name)
        written = locations.save(outputs.path(f"{stem}.{args.format}"), heat=not args.no_heat)
        (one,), description = locations.annotated(), locations.description
        if args.voc:
            xml = voc_file(one, folder=Path(args.voc).name)
            written.append(write_whole(Path(args.voc) / f"{stem}.xml", xml))
        if args.coco:
            annotated.append(one)
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
    from seewhy.explaining.stream import stream
    from seewhy.locating.locate import locate_in
    from seewhy.locating.search import Search
    from seewhy.photos.photo import PhotoFailure

    search = Search(
        method=args.method,
        top=args.top,
        classes=args.classes,
        layer=args.layer,
        fast=args.fast,
        zoom=args.zoom,
        threshold=args.threshold,
        components=args.components,
        objects=args.objects,
        several=args.several,
        **({} if args.min_support is None else {"min_support": args.min_support}),
        look_again=not args.one_look,
        overlap=args.overlap,
        min_probability=args.min_probability,
        batch_size=args.batch_size,
    )
    with progress_bar("photos") as progress:
        items = stream(classifier, sources, progress=progress, **search.question())
        for item in items:
            if isinstance(item, PhotoFailure):
                failed.append(item.name)
                sys.stderr.write(f"seewhy: {item.reason}\n")
                continue
            for index in range(len(item)):
                yield locate_in(classifier, item.only(index), search)


def _table(locations: Locations) -> str:
    """Return the text for one photo: a line for each box."""
    from seewhy.classifier.familiarity import UNFAMILIAR

    (photo,), (boxes,) = locations.photos, locations.found
    strange = "" if locations.is_familiar() else f"{photo.name}\t{UNFAMILIAR}\n"
    return strange + "".join(
        f"{photo.name}\t{one.title}\t{' '.join(map(str, one.box))}\n" for one in boxes
    )
