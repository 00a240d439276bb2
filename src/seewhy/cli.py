"""The command line: parse, one public call, print. Results to stdout, all else to stderr."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from seewhy import __version__
from seewhy.errors import SeewhyError, SeewhyWarning

COMMANDS = (
    "explain",
    "locate",
    "train",
    "filters",
    "feature_maps",
    "maximize",
    "evaluate",
    "models",
    "layers",
    "methods",
    "plan",
)
"""The modules of `seewhy.commands`, in the order in which help shows them."""

EPILOG = """\
examples:
  seewhy explain cat.jpg                                the built-in network (cat, dog, panda)
  seewhy explain cat.jpg --model resnet50 --top 5       any network of keras.applications
  seewhy explain *.jpg --model my.keras --labels my.txt --out why --sheet
  seewhy layers vgg16        seewhy methods        seewhy models
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of every command; imports no framework."""
    parser = argparse.ArgumentParser(
        prog="seewhy",
        description="See why an image network decided what it decided.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"seewhy {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"seewhy.commands.{name}").add_parser(subparsers)
    for command in subparsers.choices.values():
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 1 after an error that the message on stderr tells (or where some of many photos failed).
        Wrong usage leaves with exit code 2, by argparse.
    """
    args = build_parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with warnings.catch_warnings():
        _show_warnings_in_one_line()
        try:
            return int(args.run(args))
        except SeewhyError as error:
            if args.debug:
                traceback.print_exc()
            sys.stderr.write(f"seewhy: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("\nseewhy: stopped. What was finished is written, nothing else.\n")
            return 130
        except BrokenPipeError:
            # The reader of a pipe has gone (head, less): no error of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _show_warnings_in_one_line() -> None:
    """Show our own warnings as one line; those of other libraries are for developers."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", SeewhyWarning)

    def show(message: Warning | str, *_: object, **__: object) -> None:
        sys.stderr.write(f"seewhy: warning: {message}\n")

    warnings.showwarning = show
