"""`seewhy evaluate`: how faithful heatmaps are."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import JSON, LAYER, add_model, load_model
from seewhy.commands.options import METHOD, add_option
from seewhy.commands.parsing import add_photos, add_settings
from seewhy.settings import Setting

CLASS = Setting(
    "class_name",
    "text",
    None,
    "the class to measure in all photos",
    shown="the best class of each",
    metavar="C",
    flag="--class",
)
PLOT = Setting(
    "plot",
    "text",
    None,
    "draw deletion and insertion curves and the methods' ranks, as .png, .jpg or .pdf",
    metavar="FILE",
)

HELP = "how faithful heatmaps are: deletion, insertion, random weights, mosaics, boxes"
DESCRIPTION = """\
Measure methods on photos, beside baselines that do not ask the network. A star marks what beats
every baseline at 95 %."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the model, the methods, the measures and the results."""
    from seewhy.evaluating.settings import EVALUATION
    from seewhy.explaining.settings import BATCH_SIZE, BUDGET

    add_photos(parser)
    add_model(parser)
    add_settings(parser, CLASS, METHOD, BUDGET)
    add_option(parser)
    add_settings(parser, LAYER, *EVALUATION, BATCH_SIZE, JSON)
    parser.add_argument(
        "--out",
        action="append",
        metavar="FILE",
        help="write the means as .json, or every photo and method as .parquet; repeat for both",
    )
    add_settings(parser, PLOT)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print one line per method."""
    from seewhy.commands.options import choose_best, methods_and_options
    from seewhy.commands.photos import sources_of
    from seewhy.commands.progress import progress_bar
    from seewhy.evaluating import evaluate
    from seewhy.explaining.budget import check_budget
    from seewhy.files import Inputs
    from seewhy.locating.annotations import box_reader

    check_budget(args.budget, args.method or ())
    if args.budget is None:
        methods_and_options(args)  # what is wrong is told before a framework is loaded
    sources = sources_of(args.photos)
    if not sources:
        return 1
    written = [*(args.out or ()), *filter(None, [args.plot, args.resume])]
    Inputs(sources).check(*written)
    Inputs([args.boxes], what="the file of boxes").check(*written)
    classifier = load_model(args)
    if args.budget is not None:
        choose_best(args, classifier)
    methods, options = methods_and_options(args)
    with progress_bar("maps") as progress:
        evaluation = evaluate(
            classifier,
            sources,
            methods=methods,
            classes=[args.class_name] if args.class_name else None,
            boxes=box_reader(args.boxes) if args.boxes else None,
            layer=args.layer,
            options=options if methods else None,
            measures=args.measures,
            removal_steps=args.removal_steps,
            batch_size=args.batch_size,
            resume=args.resume,
            announce=lambda cost: _announce(str(cost)),
            progress=progress,
        )
    text = evaluation.as_json() if args.json else evaluation.as_table()
    sys.stdout.write(text + "\n")
    for file in args.out or ():
        evaluation.save(file)
    if args.plot:
        evaluation.plot(args.plot)
    for failure in evaluation.failed:
        sys.stderr.write(f"seewhy: {failure.reason}\n")
    return 1 if evaluation.failed else 0


def _announce(cost: str) -> None:
    """Tell what the evaluation will cost, on stderr."""
    sys.stderr.write(f"It takes {cost}.\n")
