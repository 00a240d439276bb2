"""`seewhy layers MODEL`: the layers of a network, and which one is explained by default."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seewhy.commands.arguments import add_named_model, load_model
from seewhy.tables import aligned

if TYPE_CHECKING:
    from seewhy.networks.base import Layer

HELP = "list a network's layers, and the one that is explained by default"
DESCRIPTION = """\
List a network's layers: name, kind and output shape (height × width × channels). The one that is
explained by default is marked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model."""
    add_named_model(parser)


def run(args: argparse.Namespace) -> int:
    """List the layers of a network, in the order in which a photo runs through them."""
    classifier = load_model(args)
    for line in layer_lines(classifier.network.layers, default=classifier.layer):
        sys.stdout.write(line + "\n")
    return 0


def layer_lines(layers: Sequence[Layer], *, default: str) -> list[str]:
    """Return one line per layer: name, kind, output shape, and a mark on the default."""
    rows = []
    for layer in layers:
        facts = "×".join(map(str, layer.shape)) or "-"
        if layer.calls != 1:
            facts += f"  called {layer.calls} times, cannot be explained"
        if layer.name == default:
            facts += "  <- explained by default"
        rows.append((layer.name, layer.kind, facts))
    return aligned(rows).splitlines()
