"""`seewhy check MODEL [PHOTOS]`: everything about a network on one page."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import JSON, add_named_model, load_model
from seewhy.commands.parsing import add_settings

HELP = "inspect a network: preprocessing and its evidence, layer, labels, cost, limits"
DESCRIPTION = """\
Inspect a network before explaining it: the preprocessing that fits it, with the evidence; its
labels, the explained layer, whether CAM applies, the cost of a pass and of an occlusion, and what
is not possible with it and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and a few photos."""
    add_named_model(parser)
    parser.add_argument(
        "photos",
        nargs="*",
        metavar="PHOTO",
        help="photos that the network is meant for: files, folders or globs (a few samples)",
    )
    add_settings(parser, JSON)


def run(args: argparse.Namespace) -> int:
    """Print the page."""
    from seewhy.checking import check

    result = check(load_model(args), args.photos or None)
    sys.stdout.write((result.as_json() if args.json else str(result)) + "\n")
    return 0
