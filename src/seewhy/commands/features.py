"""`seewhy features PHOTO...`: what a layer tells apart, and which places are alike."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seewhy.commands.arguments import add_model, load_model
from seewhy.commands.parsing import add_group, add_photos, add_settings, results
from seewhy.errors import OptionError

HELP = "what a layer tells apart, as colours, and which places are alike; needs no classes"
DESCRIPTION = """\
Show the three main directions of a layer's features as colours, the same for all photos. With --at,
show which places of all photos are like one place of the first photo; with --with, where each
photo matches another one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the model, the layer, the place and the other photo."""
    from seewhy.inside.settings import FEATURES

    add_photos(parser)
    add_model(parser)
    add_settings(parser, *FEATURES)
    add_group(parser, "results", *results("inside"))


def run(args: argparse.Namespace) -> int:
    """Write pages of features, or of what is alike."""
    from seewhy.commands.photos import readable, sources_of
    from seewhy.files import UniqueStems
    from seewhy.inside import features

    at = None if args.at is None else _place(args.at)
    sources = sources_of(args.photos)
    others = [] if args.other is None else sources_of([args.other])
    if not sources or (args.other is not None and not others):
        return 1
    classifier = load_model(args)
    failed: list[str] = []
    photos = list(readable(sources, failed, fit=classifier.fit))
    others = list(readable(others, failed, fit=classifier.fit)) if others else []
    if not photos or (args.other is not None and not others):
        return 1
    found = features(classifier, [*photos, *others], layer=args.layer)
    out, ending = Path(args.out), f"_{found.layer.replace('/', '.')}.{args.format}"
    if at is not None:
        similarities = {"similar": found.similar(at)}
    else:
        stems = UniqueStems()
        similarities = {
            f"matches_{stems.of(photo.name)}": found.matches(number, len(photos))
            for number, photo in enumerate(photos)
            if others
        }
    files = [] if similarities else found.save(out / f"features{ending}", basis=args.basis)
    for name, similarity in similarities.items():
        for number, photo in enumerate(similarity.photos):
            x, y = similarity.best(number)
            most = similarity.maps[number].max()
            sys.stdout.write(f"{photo.name}\t{most:.3f}\t{x:.0f},{y:.0f}\n")
        files += similarity.save(out / f"{name}{ending}")
    for file in files:
        sys.stdout.write(f"{file}\n")
    return 1 if failed else 0


def _place(text: str) -> tuple[float, float]:
    """Return the x and y of a place.

    Raises:
        OptionError: it is not two numbers.
    """
    try:
        x, y = map(float, text.split(","))
    except ValueError as error:
        raise OptionError(
            f"--at {text} is no place. Give its x and y in pixels of the photo: --at 120,80"
        ) from error
    return x, y
