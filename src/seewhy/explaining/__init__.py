"""Explaining: the question to a network, the methods that answer it, and the result."""

from __future__ import annotations

from seewhy.explaining.estimating import Estimate, estimate
from seewhy.explaining.explain import compare, explain
from seewhy.explaining.prediction import Prediction
from seewhy.explaining.result import Explanation
from seewhy.rendering.style import Style

__all__ = ["explain", "compare", "estimate", "Estimate", "Explanation", "Prediction", "Style"]
