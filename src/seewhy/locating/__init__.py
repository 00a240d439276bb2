"""Boxes from heatmaps, a second classification of each, and annotation files."""

from __future__ import annotations

from seewhy.locating._locate import locate
from seewhy.locating.result import Location, Locations

__all__ = ["locate", "Location", "Locations"]
