"""What the methods cost that `make truth` measures, and with which options."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, dict[str, Any]] = {
    "rise": {"masks": 400},
    "smooth-grad": {"samples": 15},
    "integrated-gradients": {"steps": 20},
}
"""Fewer copies than by default, so that all can be measured."""


def cost_of(classifier: Any, method: str) -> int:
    """Return the forward passes of a map, with the options that are measured."""
    from seewhy.explaining.costs import method_passes

    return method_passes(classifier, method, options=OPTIONS.get(method))
