"""`seewhy filters MODEL`: the learned kernels of a convolution."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seewhy.commands.arguments import add_named_model, load_model
from seewhy.commands.parsing import add_group, add_settings, results

HELP = "the learned kernels of a convolution, as pictures and numbers"
DESCRIPTION = """\
Show the learned kernels of a convolution: in colour where they see the photo, grey in deeper
layers, a 1 × 1 convolution as its matrix; and save the numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the layer, and how many of its filters."""
    from seewhy.inside.settings import FILTERS

    add_named_model(parser)
    add_settings(parser, *FILTERS)
    add_group(parser, "results", *results("inside"))


def run(args: argparse.Namespace) -> int:
    """Write pictures and numbers of one layer's kernels, and print the paths."""
    from seewhy.inside import filters

    result = filters(load_model(args), layer=args.layer, first=args.first)
    stem = Path(args.out) / f"filters_{result.layer.replace('/', '.')}.{args.format}"
    files = [*result.save(stem), result.save_numbers(stem.with_name(f"{stem.stem}.npz"))]
    for kernels in result.kernels:
        height, width, inputs, outputs = kernels.weights.shape
        groups = f" in {kernels.groups} groups" if kernels.groups > 1 else ""
        name = f"{result.layer} {kernels.part}".strip()
        sys.stdout.write(f"{name}\t{outputs} filters of {height}×{width}×{inputs}{groups}\n")
    for file in files:
        sys.stdout.write(f"{file}\n")
    return 0
