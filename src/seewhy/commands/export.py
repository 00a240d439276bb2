"""`seewhy export`: a run's heatmaps, boxes, masks and mistakes, or a network with its heat."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import LAYER, OWN_NETWORK, load_model
from seewhy.commands.parsing import add_group, values_of
from seewhy.settings import Setting

HELP = "a run for COCO, Label Studio or FiftyOne; or a network that returns its heat"
DESCRIPTION = """\
Of a run: write what seewhy batch found as COCO annotations (masks), as Label Studio tasks with
predictions, or as a FiftyOne dataset with heatmaps. A photo's region is the largest one that is hot
for its best class; photos that the network got wrong are marked where the run has labels.

Of a network: write it with CAM's map of every class as one more output, for any runtime, once it
gives the same numbers on eight photos."""

OUT = Setting("out", "text", "export", "the folder for a run's files", metavar="DIR")
PHOTOS = Setting(
    "photos",
    "text",
    None,
    "eight of these are compared",
    shown="pictures that are made",
    metavar="P",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run or the network, what is written of it, and where to."""
    from seewhy.datasets.exports import EXPORT, TOOLS

    parser.add_argument(
        "model", metavar="RUN|MODEL", help="the folder that seewhy batch wrote, or a network"
    )
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--to", choices=tuple(TOOLS), help="the tool for which a run is written")
    wanted.add_argument(
        "--with-cam", metavar="OUT", help="the .onnx or .keras file of a network with its heat"
    )
    add_group(parser, "a run", OUT, *EXPORT)
    add_group(parser, "a network", LAYER, PHOTOS, *OWN_NETWORK)


def run(args: argparse.Namespace) -> int:
    """Write the files, and print where they are."""
    if args.with_cam is None:
        return _run_for_a_tool(args)
    from seewhy.explaining.deploying import export_with_cam

    written = export_with_cam(load_model(args), args.with_cam, photos=args.photos, layer=args.layer)
    height, width, classes = written.shape
    sys.stderr.write(
        f"Its last output has the heat of {classes} classes, {height}×{width} each; it differs "
        f"from seewhy's by at most {written.error:.0e} of the peak.\n"
    )
    sys.stdout.write(f"{written.path}\n")
    return 0


def _run_for_a_tool(args: argparse.Namespace) -> int:
    from seewhy.commands.progress import progress_bar
    from seewhy.datasets.exports import EXPORT, export_run

    with progress_bar("photos") as progress:
        written = export_run(
            args.model, args.to, args.out, progress=progress, **values_of(args, EXPORT)
        )
    for failure in written.left_out:
        sys.stderr.write(f"seewhy: {failure.name} was left out: {failure.reason}\n")
    for path in written.files:
        sys.stdout.write(f"{path}\n")
    return 1 if written.left_out else 0
