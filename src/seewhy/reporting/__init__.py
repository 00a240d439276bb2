"""Report on a data set: where a network is wrong, why, and whether it cheats; one HTML file."""

from __future__ import annotations

from seewhy.reporting.comparing import compare_networks
from seewhy.reporting.report import report
from seewhy.reporting.result import Report

__all__ = ["report", "Report", "compare_networks"]
