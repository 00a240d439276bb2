"""The command line: parse, one public call, print. Results on stdout, all else on stderr."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence

from seewhy.commands.arguments import BUILT_IN_KNOWS
from seewhy.commands.parsing import CommandParser
from seewhy.commands.terminal import safe_output
from seewhy.errors import SeewhyError, SeewhyWarning, nearest_names
from seewhy.version import __version__

COMMANDS = (
    "explain",
    "locate",
    "train",
    "filters",
    "feature_maps",
    "features",
    "maximize",
    "evaluate",
    "batch",
    "report",
    "export",
    "models",
    "check",
    "layers",
    "methods",
    "plan",
    "serve",
    "completion",
)
"""The modules of `seewhy.commands`, in the order in which help shows them."""

EPILOG = f"""\
examples:
  seewhy explain cat.jpg                             the built-in network ({BUILT_IN_KNOWS})
  seewhy explain cat.jpg --model resnet50 --top 5    any network of keras.applications
  seewhy serve --open                                a page in the browser: drop a photo, see why
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of every command; imports no framework."""
    parser = CommandParser(
        prog="seewhy",
        description="See why an image network decided what it decided.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"seewhy {__version__}")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    for name in COMMANDS:
        module = importlib.import_module(f"seewhy.commands.{name}")
        command = subparsers.add_parser(
            name.replace("_", "-"), help=module.HELP, description=module.DESCRIPTION
        )
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(module=module)
        command.when_used = module.add_arguments
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 after an error, with a message on stderr (also if some of many photos failed, or the
        results could not be printed); 130 after Ctrl-C.
        Wrong usage exits with code 2, by argparse.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with safe_output() as output, warnings.catch_warnings():
        _show_warnings_in_one_line()
        try:
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `__main__`
                signal.signal(signal.SIGINT, signal.default_int_handler)
            code = _run(given)
        except KeyboardInterrupt:
            sys.stderr.write("\nseewhy: Stopped. Finished results are written, nothing else.\n")
            return 130
        output.flush()
        if output.error is None or isinstance(output.error, BrokenPipeError):
            return code  # the reader of a pipe may go (head, less): the work is done
        sys.stderr.write(
            f"seewhy: The results could not be printed: {output.error.strerror}. "
            "Send standard output to a place that can be written to.\n"
        )
        return code or 1


def _run(arguments: list[str]) -> int:
    if not arguments:
        sys.stderr.write(f"{EPILOG}\nAll commands: seewhy --help\n")
        return 2
    parser = build_parser()
    _check_command(arguments, parser)
    args = parser.parse_args(arguments)
    try:
        return int(args.module.run(args))
    except SeewhyError as error:
        if args.debug:
            traceback.print_exc()
        sys.stderr.write(f"seewhy: {error}\n")
        return 1
    except Exception as error:
        failure = own_failure(error)
        if failure is None or args.debug:
            raise
        sys.stderr.write(f"seewhy: {failure}\n")
        return 1


def own_failure(error: Exception) -> SeewhyError | None:
    """Return the sentence for an error of the user's own network."""
    from seewhy.zoo.own_code import own_failure

    return own_failure(error)


def _check_command(arguments: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Suggest the nearest command for an unknown one; argparse would list them all."""
    for argument in arguments:
        if argument.startswith("--") and argument.endswith(
            "=--"
        ):  # argparse makes an empty list of it
            parser.error(f"argument {argument.removesuffix('=--')}: '--' is not a value")
    names = [name.replace("_", "-") for name in COMMANDS]
    if not arguments or arguments[0].startswith("-") or arguments[0] in names:
        return
    word = arguments[0]
    near = nearest_names(word, names, count=1)
    if near:
        hint = f"Did you mean {near}?"
    elif os.path.lexists(word):
        hint = f"To explain a photo: seewhy explain {word}"
    else:
        hint = f"The commands are {', '.join(names)}."
    parser.error(f"There is no command '{word}'. {hint}")


def _show_warnings_in_one_line() -> None:
    """Print our own warnings on one line; those of other libraries are for developers."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", SeewhyWarning)

    def show(message: Warning | str, *_: object, **__: object) -> None:
        sys.stderr.write(f"seewhy: warning: {message}\n")

    warnings.showwarning = show
