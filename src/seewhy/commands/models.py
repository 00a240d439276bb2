"""`seewhy models`: the networks that can be loaded by name."""

from __future__ import annotations

import argparse
import sys

from seewhy.tables import aligned

HELP = "list the networks that can be loaded by name"
DESCRIPTION = """\
List the networks that can be loaded by name; those of keras.applications with input size and
preprocessing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the family of networks."""
    parser.add_argument(
        "family",
        nargs="?",
        choices=("keras", "torchvision", "timm"),
        default="keras",
        metavar="FAMILY",
        help="the family of networks: keras (default), torchvision or timm",
    )


def run(args: argparse.Namespace) -> int:
    """List the names; those of Keras without importing it."""
    from seewhy.zoo.keras import APPLICATIONS
    from seewhy.zoo.load import models

    rows = [(name, APPLICATIONS.get(name)) for name in models(args.family)]
    sys.stdout.write(
        aligned(
            [
                (name, f"{row.size}×{row.size}", row.preprocess) if row else (name,)
                for name, row in rows
            ]
        )
    )
    if args.family == "keras":
        sys.stderr.write(
            "Also: torchvision:NAME and timm:NAME (seewhy models torchvision), hf:FOLDER and "
            "openclip:NAME with --prompt, a .keras, .h5, .onnx or .tflite file, and "
            "python:module:function for a network of your own.\n"
        )
    return 0
