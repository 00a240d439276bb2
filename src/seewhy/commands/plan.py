"""`seewhy plan MODEL`: whether occlusion can be several times faster on a network, and why."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from seewhy.commands.arguments import LAYER, add_named_model, load_model
from seewhy.commands.parsing import add_settings
from seewhy.settings import LARGEST_SIDE, Setting

PLAN = (
    Setting("patch", "integer", 16, "pixels of the window's side", (1, LARGEST_SIDE), metavar="P"),
    Setting("stride", "integer", 8, "pixels of a step", (1, LARGEST_SIDE), metavar="S"),
    Setting("batch", "integer", 32, "copies per batch", (1, None)),
    replace(LAYER, help="watch this layer's map instead of the class scores"),
)

HELP = "show which part of a network a patch changes, and how much faster occlusion gets"
DESCRIPTION = """\
Show, layer by layer, how large a window of each map an occluding patch changes, where the network
becomes dense, and the expected speed-up of occlusion that re-runs only these windows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, and the sliding window."""
    add_named_model(parser)
    add_settings(parser, *PLAN)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from seewhy.incremental.describing import plan_lines
    from seewhy.methods.windows import place_windows

    classifier = load_model(args)
    height, width = classifier.size
    windows = place_windows((height, width), args.patch, args.stride).boxes
    engine = classifier.network.engine((height, width))
    plan = engine.plan(windows, layer=args.layer, batch_size=args.batch)
    for line in plan_lines(plan):
        sys.stdout.write(line + "\n")
    return 0
