"""What fits a network: preprocessing with its evidence, layer, labels, cost, familiarity."""

from __future__ import annotations

from seewhy.checking._check import check
from seewhy.checking.result import CheckResult

__all__ = ["CheckResult", "check"]
