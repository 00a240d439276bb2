"""`seewhy batch`: a data set explained, into a folder of Parquet files."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import (
    add_classes,
    add_layers,
    add_model,
    model_name,
    model_settings,
)
from seewhy.commands.options import add_methods, one_method
from seewhy.commands.parsing import add_group, add_photos, add_settings, values_of

HELP = "explain a data set into Parquet files: resumable, with workers or on Ray"
DESCRIPTION = """\
Explain many photos. The results are a folder of Parquet files that pandas, DuckDB, Polars and
Spark open. Stop it at any time: the same command continues."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the folder, the model, the question, the rows and the work."""
    from seewhy.datasets.settings import DATA, ROWS, WORK

    add_photos(
        parser,
        words="files, folders with their sub-folders, globs, a .txt file of paths, a .parquet or "
        ".csv file with a column of paths",
    )
    parser.add_argument("--out", required=True, metavar="RUN", help="the folder of the results")
    add_model(parser)
    add_classes(parser)
    add_methods(parser)
    add_layers(parser)
    add_group(parser, "the data set", *DATA)
    add_group(parser, "rows", *ROWS)
    work = parser.add_argument_group("work")
    add_settings(work, *WORK)
    work.add_argument(
        "--ray",
        nargs="?",
        const=True,
        default=False,
        metavar="ADDRESS",
        help="work on a Ray cluster; without ADDRESS, a local one",
    )


def run(args: argparse.Namespace) -> int:
    """Explain the data set, and print a summary."""
    from seewhy.commands.progress import progress_bar
    from seewhy.datasets import batch
    from seewhy.datasets.settings import DATA, ROWS, WORK

    instead = "Name one, and use a separate run for each method."
    method, options = one_method(args, "A run", instead)
    model = model_name(args)
    with progress_bar("photos") as progress:
        result = batch(
            model,
            args.photos,
            args.out,
            method=method,
            top=args.top,
            classes=args.classes,
            layer=args.layer,
            output=args.output,
            ray=args.ray,
            settings=model_settings(args),
            progress=progress,
            **values_of(args, (*DATA, *ROWS, *WORK)),
            **options,
        )
    if result.rounding is not None:
        sys.stderr.write(f"{result.rounding}\n")
    counts = result.counts
    sys.stdout.write(
        f"{args.out}\t{counts['photos']} photos\t{counts['failed']} failed\t{counts['rows']} rows\n"
    )
    if counts["failed"]:
        sys.stderr.write(
            f"seewhy: {counts['failed']} of {counts['photos']} photos failed; their rows say why "
            "(status, error_kind, error).\n"
        )
    return 1 if counts["failed"] else 0
