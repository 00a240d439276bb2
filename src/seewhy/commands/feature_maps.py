"""`seewhy feature-maps PHOTO...`: a photo's activations, and the photos that excite a filter."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seewhy.commands.arguments import add_model, load_model
from seewhy.commands.parsing import add_group, add_photos, add_settings, results
from seewhy.errors import OptionError

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.photos.reading import Photo

HELP = "the response of each channel to a photo; the photos that excite a filter most"
DESCRIPTION = """\
Show the response of each channel of one or several layers to a photo: without --layer, the photo's
path through the network. With --filter and --strongest, show which of many photos, and where in
them, excite one filter most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the model, the layers, and one filter of many photos."""
    from seewhy.inside.settings import FEATURE_MAPS, STRONGEST
    from seewhy.settings import Setting

    add_photos(parser)
    add_model(parser)
    add_settings(parser, *FEATURE_MAPS)
    add_group(parser, "many photos", *STRONGEST)
    save_maps = Setting("save_maps", "boolean", False, "save the raw maps as .npz")
    add_group(parser, "results", *results("inside"), save_maps)


def run(args: argparse.Namespace) -> int:
    """Write pictures of each photo's maps, or of the photos that excite a filter most."""
    from seewhy.commands.photos import readable, sources_of
    from seewhy.inside.settings import COUNT

    if args.filter is None and args.count != COUNT.default:
        raise OptionError("--strongest looks for one filter in many photos. Add --filter K.")
    if args.filter is not None and args.layer is not None and len(args.layer) > 1:
        raise OptionError("--filter is a channel of one layer. Give --layer once.")
    sources = sources_of(args.photos)
    if not sources:
        return 1
    classifier = load_model(args)
    failed: list[str] = []
    photos = readable(sources, failed, fit=classifier.fit)
    if args.filter is None:
        _show_maps(args, classifier, photos)
    else:
        _show_strongest(args, classifier, photos)
    return 1 if failed else 0


def _show_maps(args: argparse.Namespace, classifier: Classifier, photos: Iterator[Photo]) -> None:
    from seewhy.files import UniqueStems
    from seewhy.inside import feature_maps

    stems = UniqueStems()
    for photo in photos:
        stem = Path(args.out) / f"{stems.of(photo.name)}.{args.format}"
        maps = feature_maps(classifier, [photo], layers=args.layer)
        for layer, answers in maps.maps.items():
            _, height, width, channels = answers.shape
            dead = int(maps.dead(layer).sum())
            sys.stdout.write(f"{photo.name}\t{layer}\t{height}×{width}×{channels}\t{dead} dead\n")
        files = maps.save(
            stem,
            order="index" if args.most is None else "strength",
            most=args.most,
            over_photo=args.over_photo,
        )
        if args.save_maps:
            files.append(maps.save_numbers(stem.with_suffix(".npz")))
        for file in files:
            sys.stdout.write(f"{file}\n")


def _show_strongest(
    args: argparse.Namespace, classifier: Classifier, photos: Iterator[Photo]
) -> None:
    from seewhy.inside import strongest

    first = next(photos, None)
    if first is None:
        return
    layer = args.layer[0] if args.layer else None
    result = strongest(
        classifier,
        itertools.chain([first], photos),
        layer=layer,
        filter=args.filter,
        count=args.count,
    )
    for peak in result.found:
        box = " ".join(map(str, peak.box))
        sys.stdout.write(f"{peak.photo.name}\t{peak.value:.6g}\t{box}\n")
    name = f"strongest_{result.layer.replace('/', '.')}_{result.filter}.{args.format}"
    for file in result.save(Path(args.out) / name):
        sys.stdout.write(f"{file}\n")
