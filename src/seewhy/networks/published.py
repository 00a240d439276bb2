"""What is known of a model from those who published it: a package, or the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """Facts that a model carries; None where nothing tells.

    Attributes:
        size: of its images, height and width.
        labels: the names of its classes, by index.
        processor: what prepares its photos, of transformers.
        usual_processor: what prepares photos for networks of its kind, where its own is not known.
    """

    size: tuple[int, int] | None = None
    labels: Mapping[int, str] | None = None
    processor: Any = None
    usual_processor: Any = None
