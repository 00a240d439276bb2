"""How much a photo resembles the photos that a network was trained on: "none of these".

A classifier always predicts one of its classes, however strange the photo. Its last feature map
shows more: a photo of something else has features that resemble those of no training photo,
whatever the probabilities. Compared are those of the class that was found: a photo of a half-track
that is taken for a cat has to look like one.

Axes: n photo, h row, w column, c channel of the last map, r reference photo, d = 2c.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int8
from numpy import ndarray

FAMILIAR_SHARE = 0.95
"""The share of held-out photos of its own classes that a network finds familiar."""

NEIGHBOURS = 10
"""The number of reference photos that a photo is compared with: the most similar ones of the class
that was found."""

STEPS = 127
"""References are stored in 8 bits: from -127 to 127."""

UNFAMILIAR = "less like the training photos than 95 % of held-out ones"
"""The remark about an unfamiliar photo."""


@dataclass(frozen=True)
class Familiarity:
    """How much one photo resembles the network's training photos.

    Attributes:
        similarity: the mean cosine similarity to the ten most similar reference photos, -1..1.
        limit: the similarity that 95 % of held-out photos of the network's own classes reach.
    """

    similarity: float
    limit: float

    @property
    def familiar(self) -> bool:
        """False if the photo is less like the training photos than 95 % of held-out ones."""
        return self.similarity >= self.limit

    def as_dict(self) -> dict[str, float | bool]:
        """Return similarity, limit and verdict, ready for JSON."""
        return {
            "familiar": self.familiar,
            "similarity": round(self.similarity, 4),
            "limit": round(self.limit, 4),
        }


@dataclass(frozen=True, eq=False)
class ReferenceFeatures:
    """Features of some training photos, which a photo is compared with.

    Attributes:
        layer: the layer whose map is pooled.
        vectors: (r, d) of the reference photos, in 8 bits; each half has its own scale.
        limit: the similarity that 95 % of held-out photos reach.
        neighbours: the number of most similar reference photos that count.
        classes: (r) of the reference photos; None: a photo is compared with those of all classes.
    """

    layer: str
    vectors: Int8[ndarray, "r d"]
    limit: float
    neighbours: int = NEIGHBOURS
    classes: Int[ndarray, " r"] | None = None

    def similarities(
        self, features: Float[ndarray, "n d"], found: Int[ndarray, " n"]
    ) -> Float[ndarray, " n"]:
        """Return the mean cosine similarity to each photo's `neighbours` nearest references.

            s[n] = mean over the k largest of f[n] · r[j],  f and r of unit length,
                   j of the class found[n], as far as the references' classes are known

        Source:
            Sun et al., *Out-of-Distribution Detection with Deep Nearest Neighbors*, ICML 2022
            (arXiv:2204.06507), section 3. Differs from the paper: the mean over k neighbours, not
            the k-th; features pooled by mean and by maximum, not by mean alone; neighbours of the
            class that was found only.
        """
        products = features @ unit_halves(self.vectors.astype(np.float32)).T
        if self.classes is not None:
            products = np.where(self.classes == found[:, None], products, -1.0)
        nearest = np.sort(products, axis=1)[:, -self.neighbours :]
        return np.asarray(nearest.mean(axis=1), np.float32)

    def judge(
        self, maps: Float[ndarray, "n h w c"], found: Int[ndarray, " n"]
    ) -> tuple[Familiarity, ...]:
        """Return how familiar photos are, by their maps at `layer` and the classes found."""
        similarities = self.similarities(pooled_features(maps), found)
        return tuple(Familiarity(float(similarity), self.limit) for similarity in similarities)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        stored = {
            "layer": self.layer,
            "limit": self.limit,
            "neighbours": self.neighbours,
            "shape": list(self.vectors.shape),
            "vectors": base64.b64encode(self.vectors.tobytes()).decode(),
        }
        return stored if self.classes is None else {**stored, "classes": self.classes.tolist()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ReferenceFeatures:
        """Return the inverse of `as_dict`.

        Raises:
            ValueError: the data is damaged.
        """
        try:
            rows, columns = (int(side) for side in stored["shape"])
            content = base64.b64decode(stored["vectors"], validate=True)
            vectors = np.frombuffer(content, np.int8).reshape(rows, columns)
            layer, limit = str(stored["layer"]), float(stored["limit"])
            neighbours = int(stored["neighbours"])
            classes = None
            if "classes" in stored:
                classes = np.array([int(index) for index in stored["classes"]], np.int64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError("the features of the training photos cannot be read") from error
        known = classes is None or (
            len(classes) == rows and np.unique(classes, return_counts=True)[1].min() >= neighbours
        )
        if not (0 < neighbours <= rows and columns % 2 == 0 and np.isfinite(limit) and known):
            raise ValueError("the features of the training photos are not consistent")
        return cls(layer, vectors, limit, neighbours, classes)


def reference_features(
    references: Float[ndarray, "r d"],
    held_out: Float[ndarray, "n d"],
    *,
    layer: str,
    classes: Int[ndarray, " r"],
    found: Int[ndarray, " n"],
    neighbours: int = NEIGHBOURS,
) -> ReferenceFeatures:
    """Return references with the limit that `FAMILIAR_SHARE` of the held-out photos reaches.

    Args:
        references: of some training photos.
        held_out: of photos that the limit is measured on.
        layer: whose map was pooled.
        classes: of the references; each has at least `neighbours` of them.
        found: the class that the network found in each held-out photo.
        neighbours: how many references count.
    """
    without_limit = ReferenceFeatures(layer, _in_8_bits(references), 0.0, neighbours, classes)
    limit = np.quantile(
        without_limit.similarities(held_out, found), 1 - FAMILIAR_SHARE, method="lower"
    )
    return replace(without_limit, limit=float(limit))


def pooled_features(maps: Float[ndarray, "n h w c"]) -> Float[ndarray, "n d"]:
    """Return each photo's mean and maximum over its map, at equal length, together 1.

    On networks trained here, both together separate other objects better than either alone.
    """
    return unit_halves(np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1))


def unit_halves(vectors: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Scale the two halves of each vector to length 1/√2; zeros stay zeros."""
    halves = vectors.reshape(len(vectors), 2, -1)
    lengths = np.linalg.norm(halves, axis=2, keepdims=True)
    scaled = np.divide(halves, np.sqrt(2) * lengths, out=np.zeros_like(halves), where=lengths > 0)
    return np.asarray(scaled.reshape(vectors.shape), np.float32)


def _in_8_bits(vectors: Float[ndarray, "r d"]) -> Int8[ndarray, "r d"]:
    halves = vectors.reshape(len(vectors), 2, -1)
    peaks = np.abs(halves).max(axis=2, keepdims=True)
    scaled = np.divide(halves, peaks, out=np.zeros_like(halves), where=peaks > 0)
    return np.asarray(np.rint(STEPS * scaled), np.int8).reshape(vectors.shape)
