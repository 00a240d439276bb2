"""`seewhy batch`: a data set explained, into a folder of Parquet files."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import (
    add_class_arguments,
    add_data_arguments,
    add_layer_arguments,
    add_model_arguments,
    add_photos_per_batch,
    add_workers,
    model_name,
    model_settings,
    positive,
    whole_number,
)
from seewhy.commands.options import add_method_arguments, one_method


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "batch",
        help="explain a data set into Parquet files: resumable, with workers or on Ray",
        description="Explain many photos. The results are a folder of Parquet files that pandas, "
        "DuckDB, Polars and Spark open. Stop it at any time: the same command continues.",
    )
    parser.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help="files, folders with their sub-folders, globs, a .txt file of paths, a .parquet or "
        ".csv file with a column of paths",
    )
    parser.add_argument("--out", required=True, metavar="RUN", help="the folder of the results")
    add_model_arguments(parser)
    add_class_arguments(parser)
    add_method_arguments(parser)
    add_layer_arguments(parser)
    add_data_arguments(
        parser, true_labels="'folders': the name of each photo's folder; or a column of the table"
    )
    rows = parser.add_argument_group("rows")
    rows.add_argument("--boxes", action="store_true", help="add boxes around the heat")
    rows.add_argument(
        "--descriptors",
        action="store_true",
        help="add the layer's activations averaged under each map, for clustering",
    )
    rows.add_argument(
        "--maps",
        choices=("float32", "float16"),
        default="float32",
        help="precision of the maps in the files (float32)",
    )
    work = parser.add_argument_group("work")
    add_workers(work, "worker processes")
    work.add_argument(
        "--ray",
        nargs="?",
        const=True,
        default=False,
        metavar="ADDRESS",
        help="work on a Ray cluster; without ADDRESS, a local one",
    )
    work.add_argument(
        "--gpus", type=positive, default=0, metavar="N", help="GPUs per Ray worker (0)"
    )
    add_photos_per_batch(work)
    work.add_argument(
        "--shard-size", type=whole_number(), default=256, metavar="N", help="photos per file (256)"
    )
    work.add_argument("--retry-failed", action="store_true", help="retry photos that failed before")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain the data set, and print a summary."""
    from seewhy.commands.progress import progress_bar
    from seewhy.datasets import batch

    instead = "Name one, and use a separate run for each method."
    method, options = one_method(args, "A run", instead)
    model = model_name(args)
    with progress_bar("photos") as progress:
        found = batch(
            model,
            args.photos,
            args.out,
            method=method,
            top=args.top,
            classes=args.classes,
            layer=args.layer,
            output=args.output,
            true_labels=args.true_labels,
            column=args.column,
            boxes=args.boxes,
            descriptors=args.descriptors,
            maps=args.maps,
            batch_size=args.batch_size,
            shard_size=args.shard_size,
            workers=args.workers,
            ray=args.ray,
            gpus=args.gpus,
            retry_failed=args.retry_failed,
            settings=model_settings(args),
            progress=progress,
            **options,
        )
    if found.rounding is not None:
        sys.stderr.write(f"{found.rounding}\n")
    counts = found.counts
    sys.stdout.write(
        f"{args.out}\t{counts['photos']} photos\t{counts['failed']} failed\t{counts['rows']} rows\n"
    )
    if counts["failed"]:
        sys.stderr.write(
            f"seewhy: {counts['failed']} of {counts['photos']} photos failed; their rows say why "
            "(status, error_kind, error).\n"
        )
    return 1 if counts["failed"] else 0
