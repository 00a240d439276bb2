"""The provenance of an explanation: everything needed to reproduce it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy.explaining.question import Question
from seewhy.explaining.rounding import Rounding
from seewhy.methods.base import Method

if TYPE_CHECKING:
    from seewhy.networks.session import Session

SCHEMA = 1
"""The version of the fields below; it increases when the meaning of one changes."""


@dataclass(frozen=True, eq=False)
class Provenance:
    """The provenance of an explanation.

    Attributes:
        facts: everything but the weights, ready for JSON.
        session: the network's session; its weights are read on first use.
    """

    facts: Mapping[str, Any]
    session: Session | None

    @classmethod
    def stored(cls, told: Mapping[str, Any]) -> Provenance:
        """Return the provenance of `as_dict`."""
        facts = {name: value for name, value in told.items() if name != "weights_sha256"}
        provenance = cls(facts, None)
        provenance.__dict__["weights_sha256"] = told.get("weights_sha256")  # as if it had been read
        return provenance

    @cached_property
    def weights_sha256(self) -> str | None:
        """The SHA-256 of the network's weights at the time of the first access.

        None for a network that does not expose its weights.
        """
        return None if self.session is None else self.session.weights_sha256()

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {**self.facts, "weights_sha256": self.weights_sha256}

    def __getstate__(self) -> dict[str, Any]:
        """Read the weights before the network is no longer available."""
        return {"facts": self.facts, "session": None, "weights_sha256": self.weights_sha256}


def provenance_of(question: Question, row: Method, rounding: Rounding | None) -> Provenance:
    """Record the provenance of an explanation.

    Args:
        question: as it was answered.
        row: the method.
        rounding: by how much the network's precision changed maps and predictions; None where it
            is exact.
    """
    classifier, request = question.classifier, question.request
    options = row.settings(question.options[row.name])
    framework = classifier.network.framework
    facts = {
        "schema": SCHEMA,
        "versions": {
            name: _version(name)
            for name in ("seewhy", "numpy", framework, "keras")
            if name in sys.modules
        },
        "framework": framework,
        "model": str(classifier.name),
        "request": request.for_any_photo().as_dict(),
        "method": row.name,
        "options": {name: plain(value) for name, value in options.items()},
        "seed": options.get("seed"),
        "layer": ", ".join(question.layers_of(row)),
        "output": question.output,
        "contrast": plain(question.contrast_of(row)),
        "precision": question.computed.precision,
        "rounding": None if rounding is None else rounding.as_dict(),
        "zoom": request.zoom,
        "size": list(classifier.size),
        "fit": _fields(classifier.fit),
        "preprocess": plain(classifier.preprocess),
        "cells": list(question.cells_of(row)),
    }
    return Provenance(facts, classifier.session)


def _version(module: str) -> str:
    return str(getattr(sys.modules[module], "__version__", "unknown"))


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def plain(value: Any) -> Any:
    """Return a JSON-compatible value; functions and arrays by what identifies them."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **_fields(value)}
    if isinstance(value, np.ndarray):
        return f"array {value.dtype} {list(value.shape)}"
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{getattr(value, '__module__', '')}.{name}".removeprefix(".")
