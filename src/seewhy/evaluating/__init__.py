"""Is the heatmap faithful? Measures of maps against boxes and against the network itself."""

from __future__ import annotations

from seewhy.evaluating._evaluate import evaluate
from seewhy.evaluating.result import Evaluation

__all__ = ["evaluate", "Evaluation"]
