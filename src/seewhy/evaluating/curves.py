"""Deletion, insertion and ROAD of one photo, for as many maps as there are.

Axes: t target (0 the class, 1 its runner-up), h w rows and columns of the network's input, c
channel, m copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image, ImageFilter

from seewhy.classifier import Classifier
from seewhy.errors import TargetError
from seewhy.evaluating.faithfulness import COPIES_AT_ONCE, Ranking, rank_cells, removal_curve, road
from seewhy.evaluating.sanity import class_sensitivity
from seewhy.methods.fills import fill_picture
from seewhy.photos.photo import Photo

FILLS = ("mean", "blur")
"""What replaces cells: the photo's mean colour, or the photo blurred."""

DIRECTIONS = (("deletion", "most relevant first"), ("insertion", "least relevant first"))
"""Insertion of the hottest cells first is the removal of the coldest ones, run backwards."""


def check_probability(classifier: Classifier) -> None:
    """Refuse a network whose output has no probability.

    Raises:
        TargetError: it is a regression.
    """
    if classifier.is_regression:
        raise TargetError(
            f"'{classifier.name}' has one output and no sigmoid: a value, which has no "
            "probability that deletion and insertion could measure. Give two labels if it is "
            "the logit of two classes."
        )


@dataclass(frozen=True, eq=False)
class PhotoCurves:
    """One photo, ready for the removal of cells.

    Attributes:
        classifier: the network.
        index: the class.
        image: (h, w, c) the photo as the network sees it.
        fills: by name, what replaces cells, (h, w, c).
    """

    classifier: Classifier
    index: int
    image: Float[ndarray, "h w c"]
    fills: Mapping[str, Float[ndarray, "h w c"]]
    _measured: dict[bytes, tuple[dict[str, float], dict[str, list[float]]]] = field(
        default_factory=dict, init=False
    )

    @classmethod
    def of(cls, classifier: Classifier, photo: Photo, index: int) -> PhotoCurves:
        """Prepare a photo: σ = 5 of 224 pixels is the paper's blur.

        Raises:
            TargetError: the network is a regression, which has no probability.
        """
        check_probability(classifier)
        (pixels,), _ = classifier.fit_photos([photo])
        blur = ImageFilter.GaussianBlur(5 / 224 * min(pixels.shape[:2]))
        blurred = fill_picture(
            pixels, lambda sharp: np.asarray(Image.fromarray(sharp).filter(blur))
        )
        image, blurred = classifier.to_input(np.stack([pixels, blurred]))
        mean = image.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        return cls(
            classifier, index, image, {"mean": np.broadcast_to(mean, image.shape), "blur": blurred}
        )

    @cached_property
    def ends(self) -> Mapping[str, Float[ndarray, "1 2"]]:
        """By fill, the class's probability for the image and for the whole fill."""
        values = self.score(np.stack([self.image, *(self.fills[name] for name in FILLS)]))
        return {name: values[[0, place]].T for place, name in enumerate(FILLS, 1)}

    def areas(
        self, heatmap: Float[ndarray, "_h _w"], steps: int, batch_size: int | None = None
    ) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Return the areas of deletion and insertion, and their curves, by direction and fill.

        The areas' means over the fills are by direction alone: 'deletion', 'insertion'.
        """
        rankings = {direction: rank_cells(heatmap, order) for direction, order in DIRECTIONS}
        return self._areas(rankings, steps, batch_size)

    def _areas(
        self, rankings: Mapping[str, Ranking], steps: int, batch_size: int | None
    ) -> tuple[dict[str, float], dict[str, list[float]]]:
        values: dict[str, float] = {}
        curves: dict[str, list[float]] = {}
        for direction, ranking in rankings.items():
            for fill in FILLS:
                curve = removal_curve(
                    self.image,
                    ranking,
                    self.score,
                    filled=self.fills[fill],
                    steps=steps,
                    ends=self.ends[fill],
                    batch_size=batch_size or COPIES_AT_ONCE,
                )
                values[f"{direction}_{fill}"] = float(curve.area[0])
                shown = curve.values[0] if direction == "deletion" else curve.values[0][::-1]
                curves[f"{direction}_{fill}"] = np.round(shown, 5).tolist()
            areas = [values[f"{direction}_{fill}"] for fill in FILLS]
            values[direction] = float(np.mean(areas))
        return values, curves

    def score(self, copies: Float[ndarray, "m h w c"]) -> Float[ndarray, "m 1"]:
        """Return the class's probability."""
        scores = self.classifier.network.scores(copies)
        return self.classifier.probabilities(scores)[:, [self.index]]

    def measure(
        self, maps: Float[ndarray, "t _h _w"], steps: int, batch_size: int | None = None
    ) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Return areas, ROAD's gap and the class sensitivity, and the curves of probabilities.

        Areas and curves are by direction and fill ('deletion_mean'), and the areas' means too.
        ROAD's gap is the mean probability without the least relevant cells minus that without the
        most relevant ones. The sensitivity of a class-independent map is 0.
        """
        values, curves = self._of_ranking(maps[0], steps, batch_size)
        sensitivity = class_sensitivity(maps[0], maps[1]) if len(maps) > 1 else 0.0
        return {**values, "sensitivity": sensitivity}, curves

    def _of_ranking(
        self, heatmap: Float[ndarray, "_h _w"], steps: int, batch_size: int | None
    ) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Return what `measure` does of one map; maps that rank cells alike are measured once."""
        random = {direction: np.random.default_rng(0) for direction, _ in DIRECTIONS}
        rankings = {
            direction: rank_cells(heatmap, order, generator=random[direction])
            for direction, order in DIRECTIONS
        }
        key = b"".join(ranking.order.tobytes() for ranking in rankings.values())
        if key in self._measured:
            return self._measured[key]
        values, curves = self._areas(rankings, steps, batch_size)
        most, least = (
            road(self.image, ranking, self.score, blocks=2, generator=random[direction])
            for direction, ranking in rankings.items()
        )
        values["road"] = float(least.mean() - most.mean())
        self._measured[key] = values, curves
        return values, curves
