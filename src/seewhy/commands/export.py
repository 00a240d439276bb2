"""`seewhy export`: a run's heatmaps, boxes, masks and mistakes as files of another tool."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.parsing import add_settings, values_of
from seewhy.settings import Setting

HELP = "heatmaps, boxes, masks and mistakes of a run, for COCO, Label Studio or FiftyOne"
DESCRIPTION = """\
Write what seewhy batch found as COCO annotations (masks), as Label Studio tasks with predictions,
or as a FiftyOne dataset with heatmaps. A photo's region is the largest one that is hot for its best
class; photos that the network got wrong are marked where the run has labels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the tool, and where the files go."""
    from seewhy.datasets.exports import EXPORT, TOOLS

    parser.add_argument("run", metavar="RUN", help="the folder that seewhy batch wrote")
    parser.add_argument("--to", required=True, choices=tuple(TOOLS), help="the tool")
    add_settings(
        parser, Setting("out", "text", "export", "the folder for the files", metavar="DIR"), *EXPORT
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and print where they are."""
    from seewhy.commands.progress import progress_bar
    from seewhy.datasets.exports import EXPORT, export_run

    with progress_bar("photos") as progress:
        written = export_run(
            args.run, args.to, args.out, progress=progress, **values_of(args, EXPORT)
        )
    for failure in written.left_out:
        sys.stderr.write(f"seewhy: {failure.name} was left out: {failure.reason}\n")
    for path in written.files:
        sys.stdout.write(f"{path}\n")
    return 1 if written.left_out else 0
