"""Arguments that several commands share: model, photos, classes and picture style."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seewhy.errors import OptionError

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.rendering.style import Style

BUILT_IN = "built-in"

BUILT_IN_KNOWS = "19 animals"
"""What the built-in network tells apart, in the words of help and messages."""

IMAGENET_CLASSES = 1000
"""A network with this many classes was most likely trained on ImageNet."""


def whole_number(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """Return a parser of whole numbers within limits, for `type=` of an argument."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text:.40}' is not a whole number") from error
        if number < least or (most is not None and number > most):
            limits = f"{least} or more" if most is None else f"{least} to {most}"
            raise argparse.ArgumentTypeError(f"{text:.40} is not valid: give {limits}")
        return number

    return read


def share(text: str) -> float:
    """Read a number from 0 to 1, for `type=` of an argument."""
    return _number(text, most=1)


def positive(text: str) -> float:
    """Read a number of 0 or more, for `type=` of an argument."""
    return _number(text, most=math.inf)


def percentage(text: str) -> float:
    """Read a number from 0 to 100, for `type=` of an argument."""
    return _number(text, most=100)


def colormap(text: str) -> str:
    """Check the name of a colour map, for `type=` of an argument."""
    import numpy as np

    from seewhy.rendering.colours import colour

    try:
        colour(np.zeros((1, 1)), colormap=text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _number(text: str, *, most: float) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text:.40}' is not a number") from error
    if not (math.isfinite(number) and 0 <= number <= most):
        limits = f"0 to {most:g}" if math.isfinite(most) else "0 or more"
        raise argparse.ArgumentTypeError(f"{text:.40} is not valid: give {limits}")
    return number


def add_data_arguments(
    parser: argparse.ArgumentParser, *, true_labels: str
) -> argparse._ArgumentGroup:
    """Add --true-labels, with its help, and --column, which say what a data set's table holds."""
    group = parser.add_argument_group("the data set")
    group.add_argument("--true-labels", metavar="WHERE", help=true_labels)
    group.add_argument("--column", default="path", help="the column of paths in a table (path)")
    return group


def add_photos_per_batch(parser: argparse._ActionsContainer) -> None:
    """Add --batch-size of a run over a data set, whose batches are photos."""
    parser.add_argument(
        "--batch-size", type=whole_number(), default=8, metavar="N", help="photos per batch (8)"
    )


def add_workers(parser: argparse._ActionsContainer, words: str) -> None:
    """Add --workers; its help begins with the words."""
    parser.add_argument(
        "--workers",
        type=whole_number(0),
        default=0,
        metavar="N",
        help=f"{words}; 0: only this one (0)",
    )


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    """Add --batch-size."""
    parser.add_argument(
        "--batch-size",
        type=whole_number(),
        metavar="N",
        help="inputs that the network gets at once",
    )


def add_model_arguments(
    parser: argparse.ArgumentParser, *, flag: bool = True, several: bool = False
) -> None:
    """Add --model (with `several` it may be repeated; or MODEL) and what describes a network."""
    if flag:
        parser.add_argument(
            "--model",
            action="append" if several else "store",
            metavar="M",
            help="a name (resnet50, torchvision:resnet50, timm:..., python:module:function), a "
            f".keras or .h5 file; default: the built-in network ({BUILT_IN_KNOWS})",
        )
    else:
        parser.add_argument("model", metavar="MODEL", help="a name or a file: seewhy models")
    group = parser.add_argument_group("a network of your own")
    group.add_argument("--size", metavar="HxW", help="input size: 224 or 224x320")
    group.add_argument(
        "--preprocess",
        metavar="MODE",
        help="caffe, tf, torch, unit or none; default: known from the network, or inferred",
    )
    group.add_argument(
        "--labels", metavar="LABELS", help="a file (lines, JSON, CSV), or cat,dog, or imagenet"
    )
    group.add_argument(
        "--fit", choices=("stretch", "crop"), help="how a photo meets the input size"
    )


def add_layer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --layer, for several layers, and --output."""
    parser.add_argument(
        "--layer", action="append", metavar="L", help="explain this layer; several are averaged"
    )
    parser.add_argument(
        "--output",
        choices=("score", "probability", "rest"),
        default="score",
        help="explain the score before the softmax (default), the probability, or the score plus "
        "the logarithm of the probability (rest)",
    )


def add_class_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --top and --class."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--top", type=whole_number(), metavar="N", help="the N best classes of each photo (3)"
    )
    group.add_argument(
        "--class",
        dest="classes",
        action="append",
        metavar="C",
        help="this class, by name, WordNet id or index; repeat for several",
    )


def add_contrast_argument(parser: argparse.ArgumentParser) -> None:
    """Add --contrast."""
    parser.add_argument(
        "--contrast",
        action="append",
        metavar="C",
        help="explain why each class rather than this one; repeat for several; 'similar': rather "
        "than the three most similar ones",
    )


def add_zoom_argument(parser: argparse.ArgumentParser) -> None:
    """Add --zoom."""
    parser.add_argument(
        "--zoom",
        type=whole_number(),
        default=1,
        metavar="N",
        help="explain overlapping tiles of 1/N of the photo's sides, fused into a finer map (1)",
    )


def add_style_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how heat is laid over the photo."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--colormap", type=colormap, metavar="NAME", help="a colour map of matplotlib (jet)"
    )
    group.add_argument("--opacity", type=share, metavar="A", help="0 to 1 (0.4)")
    group.add_argument(
        "--heat-is-opacity", action="store_true", help="show the bare photo where there is no heat"
    )
    group.add_argument(
        "--interpolation",
        choices=("linear", "cubic"),
        default="linear",
        help="interpolation of the map (linear)",
    )
    group.add_argument(
        "--scale",
        choices=("each", "photo"),
        default="each",
        help="scale each map by its own maximum, or by the photo's largest value (each)",
    )
    group.add_argument(
        "--percentile",
        type=percentage,
        default=99.0,
        metavar="P",
        help="percentile of |value| at which the colours of pixel-level maps end (99)",
    )
    group.add_argument(
        "--smooth",
        type=positive,
        default=0.0,
        metavar="S",
        help="σ in pixels of a Gaussian over pixel-level maps (0)",
    )
    group.add_argument(
        "--columns",
        type=whole_number(),
        metavar="N",
        help="pictures per row of a page (by their number)",
    )


def style_of(args: argparse.Namespace) -> Style:
    """Return the style of the pictures."""
    from seewhy.rendering.style import Style

    return Style(
        colormap=args.colormap,
        opacity=args.opacity,
        heat_is_opacity=args.heat_is_opacity,
        interpolation=args.interpolation,
        scale=args.scale,
        percentile=args.percentile,
        smooth=args.smooth,
        columns=args.columns,
    )


def model_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what describes a network of one's own, as far as it was given."""
    given = {name: getattr(args, name) for name in ("size", "preprocess", "labels", "fit")}
    return {name: value for name, value in given.items() if value is not None}


def model_name(args: argparse.Namespace) -> str:
    """Return the model that is named; without one the built-in network, and say so."""
    if args.model is None:
        sys.stderr.write(f"No --model named: the built-in network ({BUILT_IN_KNOWS}) is used.\n")
        return BUILT_IN
    return str(args.model)


def load_model(args: argparse.Namespace) -> Classifier:
    """Load the named model, and print on stderr which backend runs it."""
    from seewhy.zoo.load import backend_in_use, load

    classifier = load(model_name(args), **model_settings(args))
    sys.stderr.write(f"{classifier.name} on {backend_in_use(classifier)}\n")
    preprocessing = classifier.preprocessing
    if preprocessing is not None and preprocessing.origin == "known":
        sys.stderr.write(f"Preprocessing: {preprocessing}.\n")
    if classifier.network.classes == IMAGENET_CLASSES and not classifier.has_labels:
        sys.stderr.write("Its 1,000 classes have no names. ImageNet's are: --labels imagenet\n")
    return classifier
