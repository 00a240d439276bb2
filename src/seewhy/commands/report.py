"""`seewhy report`: where a network is wrong on a data set, why, and whether it cheats."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.commands.arguments import (
    add_layers,
    add_model,
    each_model,
    model_name,
    model_settings,
)
from seewhy.commands.options import add_methods, one_method
from seewhy.commands.parsing import add_group, add_settings, values_of
from seewhy.errors import OptionError
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.progress import Progress
    from seewhy.reporting.comparison import NetworkComparison
    from seewhy.reporting.result import Report

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
    Setting("open", "boolean", False, "open the page in the browser"),
)

COMPARISON_SETTINGS = ("true_labels", "column", "batch_size")
"""What a comparison takes of the data set and the work."""

HELP = "where a network is wrong on a data set, why, and whether it cheats: one HTML page"
DESCRIPTION = """\
Report on photos, or on the results of seewhy batch: accuracy, confusions, doubtful labels, groups
of photos that are recognised by a shortcut, each tested on the network, and what harmless changes
do. Writes report.html, which needs no other file, and report.json.
With two --model: which photos became right or wrong, with McNemar's test, and whose heat moved."""


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
    add_model(parser, several=True)
    add_methods(parser)
    add_layers(parser)
    add_group(parser, "the data set", *TRUTH)
    add_group(parser, "work", *WORK)


def run(args: argparse.Namespace) -> int:
    """Make the report, or compare two models; print the findings, and where the page is."""
    from seewhy.commands.progress import progress_bar
    from seewhy.reporting.page import templates

    templates()  # missing, it is told before the network runs
    models = each_model(args)
    if len(models) > 2:
        raise OptionError(
            f"A report is on one model, or compares two, and {len(models)} were named. Name two."
        )
    with progress_bar("photos") as progress:
        made = (_reported if len(models) == 1 else _compared)(models, progress)
    out = Path(args.out)
    page = out if out.suffix.lower() == ".html" else out / "report.html"
    written = made.save(page, assets=args.assets)
    for finding in made.findings:
        sys.stdout.write(f"{finding.text}\n")
    for note in made.notes:
        sys.stderr.write(f"seewhy: {note}\n")
    for path in written:
        sys.stdout.write(f"{path}\n")
    if args.open:
        webbrowser.open(page.absolute().as_uri())
    return 1 if made.observations.failures else 0


def _reported(models: Sequence[argparse.Namespace], progress: Progress) -> Report:
    """Report on one model, or on a run."""
    from seewhy.datasets.reading import is_run
    from seewhy.reporting.report import report
    from seewhy.reporting.settings import TRUTH, WORK

    (args,) = models
    method, options = one_method(args, "A report", "Name one.")
    source = _source(args)
    return report(
        source,
        args.model if is_run(source) else model_name(args),
        method=method,
        layer=args.layer,
        output=args.output,
        settings=model_settings(args),
        progress=progress,
        **values_of(args, (*TRUTH, *WORK)),
        **options,
    )


def _compared(models: Sequence[argparse.Namespace], progress: Progress) -> NetworkComparison:
    """Compare two models on the same photos."""
    from seewhy.datasets.reading import is_run
    from seewhy.reporting.comparing import compare_networks
    from seewhy.reporting.settings import TRUTH, WORK

    first, second = models
    source = _source(first)
    if is_run(source):
        raise OptionError("A run is of one model. To compare two, name the photos.")
    given = [row.name for row in (*TRUTH, *WORK) if getattr(first, row.name) != row.default]
    for name in given:
        if name not in COMPARISON_SETTINGS:
            flag = "--" + name.replace("_", "-")
            raise OptionError(f"A comparison of two models has no {flag}. Leave it out.")
    method, options = one_method(first, "A comparison", "Name one.")
    return compare_networks(
        source,
        first.model,
        second.model,
        method=method,
        layer=first.layer,
        output=first.output,
        settings=[model_settings(model) for model in models],
        progress=progress,
        **{name: getattr(first, name) for name in COMPARISON_SETTINGS},
        **options,
    )


def _source(args: argparse.Namespace) -> Any:
    return args.source[0] if len(args.source) == 1 else args.source
