"""A class of the network on one photo, and the classes that it was contrasted with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from seewhy.files import finite


@dataclass(frozen=True)
class Rivals:
    """The classes that an explained class was contrasted with.

    Attributes:
        labels: their names.
        indices: their indices.
        strength: how much of their mean score was subtracted; 1 for a plain difference.
    """

    labels: tuple[str, ...]
    indices: tuple[int, ...]
    strength: float

    def __str__(self) -> str:
        """Return the words after the class: 'rather than tabby, Egyptian cat'."""
        return f"rather than {', '.join(self.labels)}"


@dataclass(frozen=True)
class Prediction:
    """A class of the network, and how sure the network is of it on one photo.

    Attributes:
        label: the class's name, or the target's name if it is not a class.
        index: the class's index; None if the target is not a class.
        probability: after softmax or sigmoid, 0..1; NaN if the target is not a class.
        score: before softmax or sigmoid; for any other target, its value.
        rank: 1 for the best class of the photo, and so on; None if the target is not a class.
        rivals: the classes that it was contrasted with; None where it was explained alone.
    """

    label: str
    index: int | None
    probability: float
    score: float
    rank: int | None = None
    rivals: Rivals | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return all but rank and rivals, ready for JSON."""
        return {
            "label": self.label,
            "index": self.index,
            "probability": finite(self.probability),
            "score": finite(self.score),
        }

    def as_row(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        row = self.as_dict() | {"rank": self.rank}
        return row if self.rivals is None else row | {"contrast": asdict(self.rivals)}

    @property
    def number(self) -> str:
        """The probability, or the value where there is none: '0.60'."""
        value = self.score if isnan(self.probability) else self.probability
        return "" if isnan(value) else f"{value:.{2 if abs(value) >= 0.01 else 4}f}"
