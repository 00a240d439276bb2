"""`seewhy methods`: list every method of the table METHODS."""

from __future__ import annotations

import argparse
import json
import sys

from seewhy.commands.arguments import JSON
from seewhy.commands.parsing import add_settings

HELP = "list the methods, what each shows and costs"
DESCRIPTION = """\
List the methods: name, cost in forward (F) and backward (B) passes, what was measured (a star:
better than every baseline at 95 %), options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    add_settings(parser, JSON)


def run(args: argparse.Namespace) -> int:
    """Print the table METHODS."""
    from dataclasses import asdict

    from seewhy.methods import METHODS
    from seewhy.methods.measured import best, measured
    from seewhy.tables import aligned

    known = measured()

    if args.json:
        rows = [
            {
                "name": method.name,
                "summary": method.summary,
                "cost": method.cost,
                "needs": [str(need.name).lower() for need in method.needs],
                "at_layer": method.at_layer,
                "per_batch": method.per_batch,
                "backward": method.backward,
                "guided": method.guided,
                "class_free": method.class_free,
                "signed": method.signed,
                "measured": asdict(known[method.name]) if method.name in known else None,
                "options": [option.as_dict() for option in method.options],
                "paper": method.paper,
            }
            for method in METHODS.values()
        ]
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return 0
    for method in METHODS.values():
        mark = " [--method best]" if method.name == best().method else ""
        sys.stdout.write(f"{method.name}: {method.summary}{mark}\n")
        sys.stdout.write(f"    costs {method.cost}; {method.paper}\n")
        if method.name in known:
            evidence = known[method.name]
            sys.stdout.write(f"    measured: {evidence}\n    {evidence.use}\n")
        lines = [
            (
                f"--{option.name}",
                option.help,
                "" if option.default is None else f"({option.default})",
            )
            for option in method.options
        ]
        sys.stdout.write(aligned(lines, indent="    "))
    return 0
