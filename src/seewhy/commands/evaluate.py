"""`seewhy evaluate`: how faithful heatmaps are."""

from __future__ import annotations

import argparse
import sys

from seewhy.commands.arguments import (
    add_batch_size,
    add_model_arguments,
    load_model,
    whole_number,
)
from seewhy.commands.options import add_budget


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="how faithful heatmaps are: deletion, insertion, random weights, mosaics, boxes",
        description="Measure methods on photos, beside baselines that do not ask the network. A "
        "star marks what beats every baseline at 95 %.",
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="files, folders or globs")
    add_model_arguments(parser)
    parser.add_argument(
        "--class",
        dest="class_name",
        metavar="C",
        help="the class to measure in all photos (the best class of each)",
    )
    parser.add_argument(
        "--method",
        action="append",
        metavar="M",
        help="a name from `seewhy methods`, several separated by commas, best, or all; default: "
        "cam if the network supports it, else grad-cam",
    )
    add_budget(parser)
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the methods, such as masks=500; repeat for several",
    )
    parser.add_argument("--layer", metavar="L", help="the layer to explain (the last map)")
    parser.add_argument(
        "--boxes",
        metavar="FILE",
        help='the true boxes, as JSON: {"cat.jpg": [[x0, y0, x1, y1]]}, or COCO annotations',
    )
    parser.add_argument(
        "--measure",
        action="append",
        metavar="WHAT",
        help="one or several of removal, occlusion, randomization, noise, mosaics, boxes, "
        "separated by commas (all)",
    )
    parser.add_argument(
        "--steps",
        type=whole_number(),
        default=14,
        metavar="N",
        help="steps of deletion and insertion (14)",
    )
    add_batch_size(parser)
    parser.add_argument("--json", action="store_true", help="print JSON to stdout")
    parser.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write the means as .json, or every photo and method as .parquet; repeat for both",
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw deletion and insertion curves and the methods' ranks, as .png, .jpg or .pdf",
    )
    parser.add_argument(
        "--resume",
        metavar="FILE",
        help="keep every measurement in this file of JSON lines, and continue from it",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print one line per method."""
    from seewhy.commands.options import choose_best, methods_and_options, names_given
    from seewhy.commands.photos import sources_of
    from seewhy.commands.progress import progress_bar
    from seewhy.evaluating.evaluate import evaluate
    from seewhy.explaining.budget import check_budget
    from seewhy.locating.annotations import box_reader

    check_budget(args.budget, names_given(args.method))
    if args.budget is None:
        methods_and_options(args)  # what is wrong is told before a framework is loaded
    sources = sources_of(args.photos)
    if not sources:
        return 1
    classifier = load_model(args)
    if args.budget is not None:
        choose_best(args, classifier)
    methods, options = methods_and_options(args)
    measures = [name for text in args.measure or () for name in text.split(",")]
    with progress_bar("maps") as progress:
        evaluation = evaluate(
            classifier,
            sources,
            methods=methods,
            classes=[args.class_name] if args.class_name else None,
            boxes=box_reader(args.boxes) if args.boxes else None,
            layer=args.layer,
            options=options if methods else None,
            measures=measures or None,
            steps=args.steps,
            batch_size=args.batch_size,
            resume=args.resume,
            announce=lambda cost: _announce(str(cost)),
            progress=progress,
        )
    text = evaluation.as_json() if args.json else evaluation.as_table()
    sys.stdout.write(text + "\n")
    for file in args.out:
        evaluation.save(file)
    if args.plot:
        evaluation.plot(args.plot)
    for one in evaluation.failed:
        sys.stderr.write(f"seewhy: {one.reason}\n")
    return 1 if evaluation.failed else 0


def _announce(cost: str) -> None:
    """Tell what the evaluation will cost, on stderr."""
    sys.stderr.write(f"It takes {cost}.\n")
