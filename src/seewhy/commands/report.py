"""`seewhy report`: where a network is wrong on a data set, why, and whether it cheats."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seewhy.commands.arguments import add_layers, add_model, model_name, model_settings
from seewhy.commands.options import add_methods, one_method
from seewhy.commands.parsing import add_group, add_settings, values_of
from seewhy.settings import Setting

RESULTS = (
    Setting(
        "out",
        "text",
        "report",
        "the folder of the report, or the page itself, NAME.html",
        metavar="OUT",
    ),
    Setting(
        "assets",
        "text",
        None,
        "copy every photo into this folder; the page links to them",
        metavar="DIR",
    ),
)

HELP = "where a network is wrong on a data set, why, and whether it cheats: one HTML page"
DESCRIPTION = """\
Report on photos, or on the results of seewhy batch: accuracy, confusions, doubtful labels, groups
of photos that are recognised by a shortcut, each tested on the network, and what harmless changes
do. Writes report.html, which needs no other file, and report.json."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos or a run, the model, the method, the truth and the work."""
    from seewhy.reporting.settings import TRUTH, WORK

    parser.add_argument(
        "source",
        nargs="+",
        metavar="PHOTOS|RUN",
        help="a folder with one sub-folder per class, or what seewhy batch takes; or the folder "
        "that seewhy batch wrote",
    )
    add_settings(parser, *RESULTS)
    add_model(parser)
    add_methods(parser)
    add_layers(parser)
    add_group(parser, "the data set", *TRUTH)
    add_group(parser, "work", *WORK)


def run(args: argparse.Namespace) -> int:
    """Make the report, print its findings, and where it is."""
    from seewhy.commands.progress import progress_bar
    from seewhy.datasets.reading import is_run
    from seewhy.reporting.page import templates
    from seewhy.reporting.report import report
    from seewhy.reporting.settings import TRUTH, WORK

    templates()  # missing, it is told before the network runs
    method, options = one_method(args, "A report", "Name one.")
    source = args.source[0] if len(args.source) == 1 else args.source
    model = args.model if is_run(source) else model_name(args)
    with progress_bar("photos") as progress:
        found = report(
            source,
            model,
            method=method,
            layer=args.layer,
            output=args.output,
            settings=model_settings(args),
            progress=progress,
            **values_of(args, (*TRUTH, *WORK)),
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
