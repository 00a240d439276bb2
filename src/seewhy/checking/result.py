"""The result of a check: as one page, as a short repr and as JSON."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import Any

from seewhy.classifier.evidence import Evidence
from seewhy.classifier.preprocessing import Preprocessing, spoken

WIDTH = 100
"""Characters of a line of the page."""

INDENT = 15
"""Where the second column begins."""


@dataclass(frozen=True)
class OcclusionCost:
    """The estimated cost of a default occlusion of one photo.

    Attributes:
        patch: pixels of the covering square.
        stride: pixels between two of its positions.
        windows: the number of positions.
        gain: how many times as fast re-running only what changed is forecast to be; None where
            the network cannot be read.
        reason: why not, or what is done.
    """

    patch: int
    stride: int
    windows: int
    gain: float | None
    reason: str


@dataclass(frozen=True, repr=False)
class CheckResult:
    """What fits a network, what explains it, and what is not possible with it.

    Attributes:
        model: the network's name.
        runs_on: the backend, in words.
        input: height, width and channels.
        fit: how a photo meets the input size.
        preprocessing: the one in use, with its reason.
        evidence: how well each preprocessing fits.
        labels: the number of classes and their names, in words.
        layer: the layer that is explained by default.
        layer_shape: its height, width and channels.
        layer_reason: why it is chosen.
        cam: '' if CAM applies, else why it does not.
        attention: which methods on attention apply, and why others do not.
        seconds: of one forward pass of one photo.
        occlusion: its cost.
        familiarity: whether the network has references of its training photos, in words.
        answers: by photo: its best classes under the preprocessing in use.
        limits: what is not possible with this network, and why.
    """

    model: str
    runs_on: str
    input: tuple[int, int, int]
    fit: str
    preprocessing: Preprocessing
    evidence: Evidence
    labels: str
    layer: str
    layer_shape: tuple[int, ...]
    layer_reason: str
    cam: str
    attention: str
    seconds: float
    occlusion: OcclusionCost
    familiarity: str
    answers: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def method(self) -> str:
        """The method that explains it by default."""
        return "grad-cam" if self.cam else "cam"

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """The page as pairs of a heading and its text."""
        height, width, channels = self.input
        preprocessing = self.preprocessing
        sweep = self.occlusion
        shape = "×".join(map(str, self.layer_shape))
        colours = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
        rows = [
            ("network", f"{self.model} on {self.runs_on}"),
            ("input", f"{height}×{width}, {colours}; a photo is fitted by {self.fit}"),
            ("preprocessing", str(preprocessing)),
            ("evidence", str(self.evidence)),
        ]
        rows += [("doubt", preprocessing.doubt)] if preprocessing.doubt else []
        rows += [
            ("labels", self.labels),
            ("layer", f"{self.layer} ({shape}): {self.layer_reason}"),
            (
                "method",
                self.method + (" by default: CAM applies" if not self.cam else " by default"),
            ),
            ("attention", self.attention),
            ("forward pass", f"{1000 * self.seconds:.2g} ms for one photo"),
            (
                "occlusion",
                f"{sweep.windows} positions of a {sweep.patch}×{sweep.patch} patch, about "
                f"{sweep.windows * self.seconds:.2g} s for each photo when every copy is run "
                f"whole; {sweep.reason}",
            ),
            ("familiarity", self.familiarity),
        ]
        rows += [("answers" if not n else "", line) for n, line in enumerate(self.answers)]
        limits = self.limits or ("nothing was found that cannot be done",)
        return (*rows, *(("cannot" if not n else "", line) for n, line in enumerate(limits)))

    @property
    def lines(self) -> tuple[str, ...]:
        """The page, line by line."""
        lines: list[str] = []
        for heading, text in self.rows:
            room = WIDTH - INDENT
            parts = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
            lines += [
                f"{heading if not n else '':{INDENT}}{part}" for n, part in enumerate(parts or [""])
            ]
        return tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __repr__(self) -> str:
        height, width, _ = self.input
        return (
            f"<CheckResult '{self.model}': {height}×{width} pixels, {self.labels}\n"
            f" preprocessing {self.preprocessing}\n"
            f" explained at '{self.layer}' by {self.method}, {1000 * self.seconds:.2g} ms a photo\n"
            f" {len(self.limits)} things cannot be done; print() shows all>"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        preprocessing, sweep = self.preprocessing, self.occlusion
        return {
            "model": self.model,
            "runs_on": self.runs_on,
            "input": list(self.input),
            "fit": self.fit,
            "preprocessing": {
                "mode": spoken(preprocessing.mode),
                "origin": preprocessing.origin,
                "reason": preprocessing.reason,
                "doubt": preprocessing.doubt,
            },
            "evidence": {
                "kind": self.evidence.kind,
                "values": {name: round(value, 4) for name, value in self.evidence.values.items()},
                "layer": self.evidence.layer,
                "photos": self.evidence.photos,
            },
            "labels": self.labels,
            "layer": {
                "name": self.layer,
                "shape": list(self.layer_shape),
                "reason": self.layer_reason,
            },
            "method": self.method,
            "cam": self.cam or True,
            "attention": self.attention,
            "seconds": round(self.seconds, 5),
            "occlusion": {
                "patch": sweep.patch,
                "stride": sweep.stride,
                "windows": sweep.windows,
                "gain": None if sweep.gain is None else round(sweep.gain, 2),
                "reason": sweep.reason,
            },
            "familiarity": self.familiarity,
            "answers": list(self.answers),
            "limits": list(self.limits),
        }

    def as_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)
