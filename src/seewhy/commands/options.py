"""Methods and their options on the command line, read from the table METHODS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seewhy.commands.parsing import METAVARS, add_settings
from seewhy.errors import OptionError
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.classifier import Classifier

ALL_METHODS = "all"
"""The name that stands for every method that applies to the network."""

METHOD = Setting(
    "method",
    "text",
    None,
    "a name from `seewhy methods`, several separated by commas, best (the most faithful one within "
    "200 forward passes), or all that apply",
    shown="cam if the network supports it, else grad-cam (of tokens hires-cam)",
    metavar="M",
    several=True,
)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --option, which may be repeated and whose value may have commas."""
    parser.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        help="an option of the method: samples=50 is the same as --samples 50; repeat for several",
    )


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Add --method, and every option of every method; their values stay text."""
    from seewhy.explaining.question import NETWORK_OPTIONS
    from seewhy.methods import METHODS

    add_settings(parser, METHOD)
    add_option(parser)
    methods: dict[str, list[str]] = {}
    for method in METHODS.values():
        for option in method.options:
            methods.setdefault(option.name, []).append(method.name)
    options = {option.name: option for method in METHODS.values() for option in method.options}
    network = parser.add_argument_group("how the network computes")
    group = parser.add_argument_group("options of methods")
    for option in (*NETWORK_OPTIONS, *options.values()):
        of = ", ".join(methods.get(option.name, []))
        words = "{" + ",".join(option.range or ()) + "}" if option.type == "choice" else None
        (group if of else network).add_argument(
            f"--{option.name.replace('_', '-')}",
            dest=f"option_{option.name}",
            metavar=words or METAVARS.get(option.type),
            help=f"{of}: {option.described}" if of else option.described,
        )


def choose_best(args: argparse.Namespace, classifier: Classifier) -> None:
    """Put the method that --budget chooses into the place of 'best', and tell it on stderr."""
    from seewhy.explaining.budget import best_method, in_place_of_best
    from seewhy.explaining.costs import method_passes

    chosen = best_method(classifier, args.budget, layer=args.layer)
    args.method = in_place_of_best(chosen, args.method or ())
    passes = method_passes(classifier, chosen)
    sys.stderr.write(
        f"The best method within {args.budget:,} forward passes is '{chosen}', which takes "
        f"{passes:,}.\n"
    )


def choose_applicable(args: argparse.Namespace, classifier: Classifier) -> None:
    """Put the methods that apply to the network into the place of 'all'; a warning tells why.

    Those that are named beside it stay, and are refused if they do not apply.
    """
    if ALL_METHODS not in (args.method or ()):
        return
    from seewhy.evaluating.applying import applicable
    from seewhy.explaining.question import layer_names
    from seewhy.methods import METHODS

    layer = layer_names(classifier, args.layer)[0]
    methods = applicable(classifier, list(METHODS.values()), layer)
    named = [name for name in args.method if name != ALL_METHODS]
    args.method = [*named, *(method.name for method in methods)]


def methods_and_options(
    args: argparse.Namespace,
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the methods of the table that are named, and their options.

    Without a name there are the options of the default method: CAM and Grad-CAM have none, so any
    is an error.

    Raises:
        UnknownMethod: there is no such method.
        OptionError: an option is not of the form NAME=VALUE, is not an option of any method that
            runs, or has an invalid value.
    """
    from seewhy.explaining.keywords import options_by_method

    methods = method_names(args.method)
    names = methods or ["cam"]
    return methods, options_by_method(names, {}, _parsed(args, names))


def method_names(given: Sequence[str] | None) -> list[str]:
    """Return the names of the methods in the table, in the order given; empty for the default.

    Raises:
        UnknownMethod: there is no such method.
    """
    from seewhy.explaining.question import find_method
    from seewhy.methods import METHODS

    names = given or ()
    if ALL_METHODS in names:
        return list(METHODS)
    return list(dict.fromkeys(find_method(name).name for name in names))


def one_method(
    args: argparse.Namespace, what: str, instead: str
) -> tuple[str | None, dict[str, Any]]:
    """Return the one method of a run, None for the default, and its checked options.

    Args:
        args: the parsed arguments.
        what: has one method: "A run".
        instead: what to do if several are named.

    Raises:
        OptionError: several methods are named, or an option is wrong.
    """
    methods, options = methods_and_options(args)
    if len(methods) > 1:
        raise OptionError(
            f"{what} has one method, and {len(methods)} were named: {', '.join(methods)}. {instead}"
        )
    (only,) = options.values()
    return (methods[0] if methods else None), only


def _parsed(args: argparse.Namespace, methods: Sequence[str]) -> dict[str, Any]:
    """Return the options that were given, each as the first method that has it takes it.

    Raises:
        OptionError: an option is not of the form NAME=VALUE, or has an invalid value.
    """
    from seewhy.explaining.question import NETWORK_OPTIONS
    from seewhy.methods import METHODS

    given = {
        name.removeprefix("option_"): text
        for name, text in vars(args).items()
        if name.startswith("option_") and text is not None
    }
    for text in args.option or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"--option {text} has no value. Write NAME=VALUE: samples=50")
        given[name.strip().replace("-", "_")] = value
    rows = {
        row.name: (row, name)
        for name in reversed(methods)
        for row in (*METHODS[name].options, *NETWORK_OPTIONS)
    }
    return {
        name: rows[name][0].parse(text, method=rows[name][1]) if name in rows else text
        for name, text in given.items()
    }
