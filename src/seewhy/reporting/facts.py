"""What was asked, in words: the table that a report begins with."""

from __future__ import annotations

import datetime

from seewhy.datasets.question import RunQuestion
from seewhy.reporting.observations import Observations


def facts_in_words(asked: RunQuestion, seen: Observations, place: str) -> dict[str, str]:
    """Return model, weights, photos, method, input and versions.

    Args:
        asked: what was asked.
        seen: what the network said.
        place: where the photos, or the run, are.
    """
    learned = len(seen) - int(seen.unseen.sum())
    count = len(seen) + len(seen.failures) - learned
    failed = f", {len(seen.failures)} failed" if seen.failures else ""
    labelled = int(seen.labelled.sum())
    given = asked.request.options.get(asked.method, {})
    options = ", ".join(f"{name}={value}" for name, value in given.items())
    network = asked.network
    height, width = network.size
    kinds = len(seen.class_sizes)
    labels = f"{labelled} labelled, {kinds} class{'es' if kinds != 1 else ''}"
    return {
        "model": network.name,
        "weights": f"SHA-256 {network.weights[:16]}…" if network.weights else "unknown",
        "date": datetime.date.today().isoformat(),
        "trained on": "not known: on photos that a network was trained on, it is more often right"
        if seen.trained is None
        else f"none of these photos; {learned} training photos were searched for shortcuts as well",
        "photos": f"{count} photos{failed}, {labels if labelled else 'no labels'}: {place}",
        "method": f"{asked.method}{f' ({options})' if options else ''} of the "
        f"{asked.request.output}, at {', '.join(asked.request.layer or ())}",
        "input": f"{height} × {width}, {asked.fit.mode}, preprocessing {network.preprocess}",
        "versions": ", ".join(f"{name} {value}" for name, value in asked.versions.items()),
    }
