"""`seewhy report`: where a network is wrong on a data set, why, and whether it cheats."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seewhy.commands.arguments import (
    add_data_arguments,
    add_layer_arguments,
    add_model_arguments,
    add_photos_per_batch,
    add_workers,
    model_name,
    model_settings,
    whole_number,
)
from seewhy.commands.options import add_method_arguments, one_method


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "report",
        help="where a network is wrong on a data set, why, and whether it cheats: one HTML page",
        description="Report on photos, or on the results of seewhy batch: accuracy, confusions, "
        "doubtful labels, groups of photos that are recognised by a shortcut, each tested on the "
        "network, and what harmless changes do. Writes report.html, which needs no other file, and "
        "report.json.",
    )
    parser.add_argument(
        "source",
        nargs="+",
        metavar="PHOTOS|RUN",
        help="a folder with one sub-folder per class, or what seewhy batch takes; or the folder "
        "that seewhy batch wrote",
    )
    parser.add_argument(
        "--out",
        default="report",
        metavar="OUT",
        help="the folder of the report, or the page itself, NAME.html (report)",
    )
    parser.add_argument(
        "--assets", metavar="DIR", help="copy every photo into this folder; the page links to them"
    )
    add_model_arguments(parser)
    add_method_arguments(parser)
    add_layer_arguments(parser)
    data = add_data_arguments(
        parser,
        true_labels="'folders': the name of each photo's folder (default where all photos are in "
        "sub-folders); a column of the table; or 'none'",
    )
    data.add_argument(
        "--boxes",
        metavar="FILE",
        help="the true boxes: JSON, COCO annotations, or a folder of Pascal VOC files",
    )
    data.add_argument(
        "--object-masks",
        metavar="DIR",
        help="the true outlines: a folder with a PNG for each photo (cow.png for cow.jpg), not "
        "zero where the object is",
    )
    work = parser.add_argument_group("work")
    work.add_argument(
        "--changes",
        type=whole_number(0),
        default=300,
        metavar="N",
        help="photos that the network sees again with each harmless change, such as blurred or in "
        "grey: 13 passes for each photo; 0: none (300)",
    )
    work.add_argument(
        "--run", metavar="RUN", dest="run_folder", help="keep the run here, to resume or reuse it"
    )
    add_workers(work, "worker processes, with --run")
    add_photos_per_batch(work)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the report, print its findings, and where it is."""
    from seewhy.commands.progress import progress_bar
    from seewhy.reporting.page import templates
    from seewhy.reporting.report import is_run, report

    templates()  # missing, it is told before the network runs
    method, options = one_method(args, "A report", "Name one.")
    source = args.source[0] if len(args.source) == 1 else args.source
    model = args.model if is_run(source) else model_name(args)
    with progress_bar("photos") as progress:
        found = report(
            source,
            model,
            true_labels=args.true_labels,
            column=args.column,
            method=method,
            layer=args.layer,
            output=args.output,
            boxes=args.boxes,
            object_masks=args.object_masks,
            changes=args.changes,
            run=args.run_folder,
            workers=args.workers,
            batch_size=args.batch_size,
            settings=model_settings(args),
            progress=progress,
            **options,
        )
    out = Path(args.out)
    page = out if out.suffix.lower() == ".html" else out / "report.html"
    written = found.save(page, assets=args.assets)
    for one in found.findings:
        sys.stdout.write(f"{one.text}\n")
    for note in found.notes:
        sys.stderr.write(f"seewhy: {note}\n")
    for path in written:
        sys.stdout.write(f"{path}\n")
    return 1 if found.observations.failures else 0
