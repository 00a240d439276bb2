"""`seewhy maximize MODEL`: the image that excites a filter or a class most."""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seewhy.commands.arguments import (
    CLASSES,
    LAYER,
    add_named_model,
    load_model,
)
from seewhy.commands.parsing import add_group, add_settings, reader, results, values_of
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.inside.maximizing import MaximizedImages

HELP = "the image that excites a filter or a class most, by gradient ascent from noise"
DESCRIPTION = """\
Find images that excite filters of a layer, or classes, most, by gradient ascent on the input, from
noise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, what is excited, and how."""
    from seewhy.inside.settings import MAXIMIZE

    add_named_model(parser)
    add_settings(parser, replace(LAYER, help="the filters' layer (the explained one)"))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--filter",
        dest="filters",
        type=reader(Setting("filter", "integer", 0, "a channel", (0, None))),
        nargs="+",
        metavar="K",
        help="these channels of the layer, in one batch",
    )
    add_settings(what, CLASSES)
    parser.add_argument(
        "--against",
        nargs="+",
        metavar="PHOTO",
        help="compare each value with the largest one on these photos",
    )
    add_group(parser, "the ascent", *MAXIMIZE)
    add_group(parser, "results", *results("inside"))


def run(args: argparse.Namespace) -> int:
    """Run the ascent, write the images, and print the value that each one reaches."""
    from seewhy.commands.progress import progress_bar
    from seewhy.inside import maximize_activation
    from seewhy.inside.settings import MAXIMIZE

    classifier = load_model(args)
    with progress_bar("steps") as progress:
        maximized = maximize_activation(
            classifier,
            layer=args.layer,
            filters=args.filters,
            classes=args.classes,
            progress=progress,
            **values_of(args, MAXIMIZE),
        )
    rivals = _rivals(args, classifier) if args.against else [""] * len(maximized.names)
    for name, value, rival in zip(maximized.names, maximized.values, rivals, strict=True):
        sys.stdout.write(f"{name}\t{value:.6g}{rival}\n")
    for file in _save(maximized, Path(args.out), f".{args.format}"):
        sys.stdout.write(f"{file}\n")
    return 0


def _rivals(args: argparse.Namespace, classifier: Classifier) -> list[str]:
    """Print for each filter or class the photo that excites it most, and its value."""
    from seewhy.explaining.explain import as_photos
    from seewhy.inside import photo_values

    photos = as_photos(args.against)
    values = photo_values(
        classifier, photos, layer=args.layer, filters=args.filters, classes=args.classes
    )
    return [f"\t{column.max():.6g}\t{photos[int(column.argmax())].name}" for column in values.T]


def _save(maximized: MaximizedImages, folder: Path, ending: str) -> list[Path]:
    """Write each image, and for several also a page; existing files are never overwritten."""
    from seewhy.files import UniqueStems
    from seewhy.rendering.saving import save_picture

    stems = UniqueStems()
    files = [
        save_picture(
            image, _unused(folder, stems.of(f"maximized {name}".replace(".", "-")), ending)
        )
        for name, image in zip(maximized.names, maximized.images, strict=True)
    ]
    return files + (maximized.save(_unused(folder, "maximized", ending)) if len(files) > 1 else [])


def _unused(folder: Path, stem: str, ending: str) -> Path:
    """Return the first of 'stem', 'stem-2', 'stem-3' ... that does not exist."""
    numbers = itertools.count(2)
    path = folder / f"{stem}{ending}"
    while path.exists():
        path = folder / f"{stem}-{next(numbers)}{ending}"
    return path
