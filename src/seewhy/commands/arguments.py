"""Settings that several commands share: the model, the classes, the layer and the pictures."""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seewhy.commands.parsing import add_group, add_settings, reader, values_of
from seewhy.errors import OptionError
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.rendering.style import Style

BUILT_IN = "built-in"

BUILT_IN_KNOWS = "19 animals"
"""What the built-in network tells apart, in the words of help and messages."""

IMAGENET_CLASSES = 1000
"""A network with this many classes was most likely trained on ImageNet."""

MODEL = Setting(
    "model",
    "text",
    None,
    "a name (resnet50, torchvision:resnet50, timm:..., hf:..., python:module:function), a .keras "
    "or .h5 file",
    shown=f"the built-in network: {BUILT_IN_KNOWS}; efficientnet-lite0 with seewhy[imagenet]",
    metavar="M",
)
OWN_NETWORK = (
    Setting("size", "text", None, "input size: 224 or 224x320", metavar="HxW"),
    Setting(
        "preprocess",
        "text",
        None,
        "caffe, tf, torch, unit or none",
        shown="known from the network, or inferred",
        metavar="MODE",
    ),
    Setting(
        "labels",
        "text",
        None,
        "a file (lines, JSON, CSV), or cat,dog, or imagenet",
        metavar="LABELS",
    ),
    Setting("fit", "choice", None, "how a photo meets the input size", ("stretch", "crop")),
    Setting(
        "prompts",
        "text",
        None,
        "a class of CLIP or SigLIP in words: 'a cat'; repeat for each class, or use commas",
        metavar="TEXT",
        several=True,
        flag="--prompt",
    ),
    Setting(
        "template",
        "text",
        None,
        "the sentence around each prompt: 'a photo of a {}'; the mean of several",
        metavar="TEXT",
        several=True,
    ),
    Setting(
        "device",
        "text",
        None,
        "where the network computes: cpu, cuda, cuda:1 or mps; with Keras cpu, gpu or gpu:1; of an "
        "ONNX file cpu, cuda or another of onnxruntime's providers",
        shown="where it is, or as the framework chooses",
        metavar="DEVICE",
    ),
)
CLASSES = Setting(
    "classes",
    "text",
    None,
    "this class, by name, WordNet id or index; repeat for several, or use commas",
    metavar="C",
    several=True,
    flag="--class",
)
CONTRAST = Setting(
    "contrast",
    "text",
    None,
    "explain why each class rather than this one; repeat for several; 'similar': rather than the "
    "three most similar ones",
    metavar="C",
    several=True,
)
LAYER = Setting("layer", "text", None, "the layer", metavar="L")
LAYERS = Setting(
    "layer", "text", None, "explain this layer; several are averaged", metavar="L", several=True
)
JSON = Setting("json", "boolean", False, "print JSON to stdout")


def add_model(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add --model and what describes a network of one's own; with `several`, for each of them."""
    if not several:
        add_settings(parser, MODEL)
        add_group(parser, "a network of your own", *OWN_NETWORK)
        return
    parser.add_argument("--model", action="append", metavar="M", help=MODEL.described)
    group = parser.add_argument_group(
        "networks of your own: once for all, or once for each --model, in their order"
    )
    for row in OWN_NETWORK:
        group.add_argument(
            row.flag or f"--{row.name}",
            dest=row.name,
            action="extend" if row.several else "append",
            type=reader(row),
            metavar=row.metavar or "{" + ",".join(row.range or ()) + "}",
            help=row.described,
        )


def add_named_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL, which must be named, and what describes a network of one's own."""
    parser.add_argument("model", metavar="MODEL", help="a name or a file: seewhy models")
    add_group(parser, "a network of your own", *OWN_NETWORK)


def add_classes(parser: argparse.ArgumentParser) -> None:
    """Add --top and --class, which exclude each other."""
    from seewhy.explaining.settings import TOP

    add_settings(parser.add_mutually_exclusive_group(), TOP, CLASSES)


def add_layers(parser: argparse.ArgumentParser) -> None:
    """Add --layer, for several layers, and --output."""
    from seewhy.explaining.settings import OUTPUT

    add_settings(parser, LAYERS)
    parser.add_argument(
        "--output",
        action=ChooseOutput,
        default=OUTPUT.default,
        metavar="{" + ",".join(OUTPUT.range or ()) + "} or NAME",
        help=f"{OUTPUT.described}; or which of a network's several outputs is explained, by its "
        "number or name: 0, logits",
    )


class ChooseOutput(argparse.Action):
    """Reads --output: what of the scores is explained, or which of several outputs has them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep the value where it belongs."""
        from seewhy.explaining.settings import OUTPUT

        kinds = OUTPUT.range or ()
        if values in kinds or get_close_matches(values, kinds, n=1, cutoff=0.7):
            try:
                namespace.output = reader(OUTPUT)(values)
            except argparse.ArgumentTypeError as error:
                raise argparse.ArgumentError(self, str(error)) from error
        else:
            namespace.network_output = values


def add_style(parser: argparse.ArgumentParser) -> None:
    """Add how pictures look."""
    from seewhy.rendering.style import STYLE

    add_group(parser, "pictures", *STYLE)


def style_of(args: argparse.Namespace) -> Style:
    """Return the style of the pictures.

    Raises:
        OptionError: there is no such colour map.
    """
    from seewhy.rendering.style import STYLE, Style

    return Style(**values_of(args, STYLE))


def model_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what describes a network of one's own, as far as it was given."""
    return values_of(args, OWN_NETWORK)


def model_name(args: argparse.Namespace) -> str:
    """Return the model that is named; without one the widest that is installed, and say so."""
    if args.model is not None:
        chosen = getattr(args, "network_output", None)
        if chosen is None:
            return str(args.model)
        return f"{args.model}{'&' if '?' in args.model else '?'}output={quote(chosen)}"
    name = default_model()
    known = f"the built-in network ({BUILT_IN_KNOWS})"
    if name != BUILT_IN:
        known = f"{name} (ImageNet's 1,000 classes)"
    sys.stderr.write(f"No --model named: {known} is used.\n")
    return name


def default_model() -> str:
    """Return what is used unless a model is named: of ImageNet where its weights are installed."""
    from seewhy.zoo.imagenet import LITE0, weights_file

    return BUILT_IN if weights_file() is None else LITE0


def each_model(args: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the arguments for each --model, with its own settings; for None where none is named.

    Raises:
        OptionError: a setting was given several times, and not once for each model.
    """
    models = args.model or [None]
    namespaces = []
    for place, model in enumerate(models):
        model_args = copy.copy(args)
        model_args.model = model
        for row in OWN_NETWORK:
            if not row.several:  # prompts are the classes of all
                given = getattr(args, row.name)
                setattr(model_args, row.name, setting_of(row.name, given, place, models))
        namespaces.append(model_args)
    return namespaces


def setting_of(
    name: str, given: Sequence[Any] | None, place: int, models: Sequence[str | None]
) -> Any:
    """Return a setting of one of the models: the same for all, or its own.

    Raises:
        OptionError: there are several, and not as many as models.
    """
    if not given:
        return None
    if len(given) not in (1, len(models)):
        raise OptionError(
            f"--{name} was given {len(given)} times for {len(models)} models. Give it once for "
            "all, or once for each, in the order of --model."
        )
    return given[0] if len(given) == 1 else given[place]


def load_model(args: argparse.Namespace) -> Classifier:
    """Load the named model, and print on stderr which backend runs it."""
    from seewhy.explaining.order import refuse_photos
    from seewhy.zoo.load import backend_in_use, load

    refuse_photos(args.model)
    classifier = load(model_name(args), **model_settings(args))
    sys.stderr.write(f"{classifier.name} on {backend_in_use(classifier)}\n")
    if classifier.prompts is not None:
        sys.stderr.write(f"Classes: {classifier.prompts}.\n")
    preprocessing = classifier.preprocessing
    if preprocessing is not None and preprocessing.origin == "known":
        sys.stderr.write(f"Preprocessing: {preprocessing}.\n")
    if classifier.network.classes == IMAGENET_CLASSES and not classifier.has_labels:
        sys.stderr.write("Its 1,000 classes have no names. ImageNet's are: --labels imagenet\n")
    return classifier
