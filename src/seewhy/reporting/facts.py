"""What was asked, in words: the table that a report begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seewhy.reporting.observations import Observations


def facts_in_words(asked: Mapping[str, Any], seen: Observations, place: str) -> dict[str, str]:
    """Return model, weights, photos, method, input and versions.

    Args:
        asked: what a run was asked, as its manifest says it.
        seen: what the network said.
        place: where the photos, or the run, are.
    """
    count = len(seen) + len(seen.failures)
    failed = f", {len(seen.failures)} failed" if seen.failures else ""
    labelled = int(seen.labelled.sum())
    options = ", ".join(f"{name}={value}" for name, value in asked["options"].items())
    height, width = asked["preprocessing"]["size"]
    kinds = len(seen.class_sizes)
    labels = f"{labelled} labelled, {kinds} class{'es' if kinds != 1 else ''}"
    return {
        "model": asked["model"]["name"],
        "weights": f"SHA-256 {asked['model']['sha256'][:16]}…",
        "photos": f"{count} photos{failed}, {labels if labelled else 'no labels'}: {place}",
        "method": f"{asked['method']}{f' ({options})' if options else ''} of the "
        f"{asked['output']}, at {', '.join(asked['layer'])}",
        "input": f"{height} × {width}, {asked['preprocessing']['fit']['mode']}, preprocessing "
        f"{asked['preprocessing']['preprocess']}",
        "versions": ", ".join(f"{name} {value}" for name, value in asked["versions"].items()),
    }
