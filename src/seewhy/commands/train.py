"""`seewhy train`: train a network that explains itself on a folder of photos."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from seewhy.commands.parsing import add_group, values_of

if TYPE_CHECKING:
    from seewhy.training.result import EpochLogs

HELP = "train a network that explains itself on a folder of photos"
DESCRIPTION = """\
Train a classifier on FOLDER, with one sub-folder of photos per class (or train/ and val/ with
them), and save it as one file. Log, curves, confusion matrix and report are written to the folder
NAME.training next to it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the file, and the settings of a recipe."""
    from seewhy.training.recipe import settings_of_recipes

    parser.add_argument("folder", metavar="FOLDER", help="one sub-folder of photos per class")
    parser.add_argument("--out", required=True, metavar="FILE", help="the .keras file to write")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE")
    for title, rows in settings_of_recipes().items():
        add_group(parser, title, *rows)


def run(args: argparse.Namespace) -> int:
    """Train; write every epoch to stderr, and the result to stdout."""
    from seewhy.training.recipe import Recipe, settings_of_recipes

    rows = [row for group in settings_of_recipes().values() for row in group]
    recipe = Recipe(**values_of(args, rows))

    from seewhy.commands.progress import progress_bar
    from seewhy.training.train import train

    with progress_bar("photos") as progress:
        result = train(
            args.folder,
            out=args.out,
            recipe=recipe,
            resume=args.resume,
            overwrite=args.overwrite,
            progress=progress,
            epoch_done=print_epoch,
        )
    for path, reason in result.unreadable:
        sys.stderr.write(f"Left out: {path}: {reason}\n")
    if result.unreadable:
        count = len(result.unreadable)
        photos = "photo was" if count == 1 else "photos were"
        sys.stderr.write(f"{count} unreadable {photos} left out.\n")
    for sentence in result.alike:
        sys.stderr.write(f"{sentence}\n")
    sys.stdout.write(
        f"{result.training_photos} photos for training, {result.validation_photos} for validation\n"
        f"{result.confusion.table()}\nnetwork  {result.path}\nreport   {result.report}\n"
    )
    return 0


def print_epoch(logs: EpochLogs, epochs: int) -> None:
    """Write one line about an epoch."""
    sys.stderr.write(
        f"epoch {logs['epoch']:.0f} of {epochs}: loss {logs['loss']:.4f}, accuracy "
        f"{logs['accuracy']:.4f}; validation loss {logs['val_loss']:.4f}, accuracy "
        f"{logs['val_accuracy']:.4f}\n"
    )
    sys.stderr.flush()
