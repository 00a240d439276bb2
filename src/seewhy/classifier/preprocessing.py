"""A preprocessing, and the reason why it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seewhy.classifier.evidence import Evidence
from seewhy.photos.preprocessing import Normalize, Preprocess

Origin = Literal["given", "known", "inferred", "assumed"]
"""By the user; from the file, the zoo or the layers; from the network's statistics; a default."""


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become a network's input, and the source of that knowledge.

    Attributes:
        mode: a name ('caffe', 'tf', 'torch', 'unit', 'none') or a function.
        origin: 'given', 'known', 'inferred' or 'assumed'.
        reason: what it is known or inferred from, or why it is unknown.
        evidence: how well each candidate fits; None if nothing was measured.
        doubt: why another one may be right; '' without doubt.
    """

    mode: Preprocess
    origin: Origin
    reason: str = ""
    evidence: Evidence | None = None
    doubt: str = ""

    def __str__(self) -> str:
        joint = {"given": "", "known": "known from ", "inferred": "inferred from "}
        reason = joint.get(self.origin, f"{self.origin}: ") + self.reason
        return f"{spoken(self.mode)}, {reason if self.origin != 'given' else 'as given'}"


def spoken(mode: Preprocess) -> str:
    """Return a preprocessing's name or formula."""
    if isinstance(mode, str):
        return mode
    if isinstance(mode, Normalize):
        mean, deviation = (
            ", ".join(f"{number:g}" for number in numbers)
            for numbers in (mode.mean, mode.deviation)
        )
        return f"(x / 255 − ({mean})) / ({deviation})" + ", blue first" * mode.is_blue_first
    return f"the function {getattr(mode, '__name__', type(mode).__name__)}"
