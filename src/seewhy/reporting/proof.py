"""Test a suspect: take away what its photos are recognised by, and give it to other photos.

Axes: n photo, H W row and column of the network's input, h w of a map, k class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from PIL import Image

from seewhy.evaluating.intervals import RESAMPLES, Interval, bootstrap
from seewhy.maps import resize_map
from seewhy.reporting.heat import hot_region, mean_map, shares

Answer = Callable[[UInt8[ndarray, "n H W 3"]], Float[ndarray, "n k"]]
"""From pixels at the network's input size to probabilities."""

FEWEST_MEMBERS = 20
"""Members below which nothing is tested: too few to tell."""

MOST_MEMBERS = 100
"""Members that are tested, and as many others."""

EFFECT = 0.1
"""The drop in probability that a confirmed suspect exceeds, whatever the chance of the draw."""

PASTED_SHARE = 0.1
"""The share of other classes' photos that a confirmed suspect's region turns into its class."""

CONFIDENCE_LEVEL = 0.99
"""The level of that: a suspect has two regions, and a class several suspects."""

CLEARED_EFFECT = 0.2
"""What all effects of a suspect are below, for sure, where it is cleared."""

COLOUR_EFFECT = 0.25
"""Likewise of a change of colour, which no shuffled maps are compared with."""

HOT_LEVEL = 0.4
"""The share of the peak that a hot cell reaches."""

SHARED_HOT_LEVEL = 0.25
"""Likewise in the mean map, where one region is everyone's: photos differ a little."""

SHARED_AGREEMENT = 0.75
"""The mean agreement with the mean map from which one region is covered in all photos."""


WIDEST_REGION = 0.4
"""The share of the photo up to which a region is tested: without more, it is another photo."""

CELLS = 32
"""Rows and columns in which pixels that photos share are looked for."""

SHARED_SCATTER = 0.4
"""The share of the others' scatter up to which pixels are shared."""


@dataclass(frozen=True, eq=False)
class Region:
    """What sets the photos of a group apart.

    Attributes:
        kind: 'heat': hot in them, and not in the others; 'pixels': the same in all of them.
        cells: of each photo.
        shared: whether it is the same region in all of them.
    """

    kind: str
    cells: Bool[ndarray, "n h w"]
    shared: bool

    @property
    def share(self) -> float:
        """Of the photo, in the mean."""
        return float(self.cells.mean())

    @property
    def is_testable(self) -> bool:
        """Whether it is somewhere, and not most of the photo."""
        return 0 < self.share <= WIDEST_REGION


@dataclass(frozen=True)
class Outcome:
    """What covering did to a group of photos.

    Attributes:
        photos: of how many.
        before, after: how many of them were given the class (and rightly, where labels tell).
        drop: by how much the probability fell in the mean, with a bootstrap interval.
    """

    photos: int
    before: int
    after: int
    drop: Interval


@dataclass(frozen=True)
class Trial:
    """What came of a test.

    Attributes:
        kind: 'cover': the hot region was covered with the photo's mean colour; 'swap': with the
            same region of another photo; 'recolour': the photo was given the others' mean colour.
        region: what was covered; None of colours.
        members: the suspect's photos.
        matched: other photos of the class, of like probability, treated in the same way.
        shuffled: the suspect's photos, covered where other photos are hot; None of colours.
        against_matched: by how much more the members' probability falls.
        against_shuffled: by how much more it falls than with shuffled maps.
        confirmed: both exceed `EFFECT`, at 95 %, and so does what the members lose.
    """

    kind: str
    region: Region | None
    members: Outcome
    matched: Outcome
    shuffled: Outcome | None
    against_matched: Interval
    against_shuffled: Interval | None
    confirmed: bool


@dataclass(frozen=True)
class Paste:
    """What came of giving a group's region to photos of other classes.

    Attributes:
        region: what was pasted.
        photos: how many were given it.
        turned: how many of them became the class.
        compared: likewise with the same region of other photos of the class.
        against: by how much larger a share became the class.
        confirmed: it exceeds `PASTED_SHARE`, at 99 %.
    """

    region: Region
    photos: int
    turned: int
    compared: int
    against: Interval
    confirmed: bool


def hot_regions(maps: Float[ndarray, "n h w"], others: Float[ndarray, "m h w"]) -> Region:
    """Return what is hot in a group of photos and not in the others.

        d[n] = s[n] − mean over the others of s,  s: positive part of a map, with the sum 1

    Where the maps agree with their mean (cosine, in the mean), one region is everyone's: where the
    mean of d reaches a quarter of its peak. Else each photo's is where its own d reaches 40 % of
    its peak.
    """
    mean, usual = mean_map(maps), mean_map(others)
    each = shares(maps)
    flat = each.reshape(len(maps), -1)
    lengths = np.linalg.norm(flat, axis=1) * np.linalg.norm(mean)
    agreement = float((flat @ mean.ravel() / np.where(lengths > 0, lengths, 1)).mean())
    if agreement >= SHARED_AGREEMENT:
        region = hot_region(mean - usual, level=SHARED_HOT_LEVEL)
        return Region("heat", np.repeat(region[None], len(maps), axis=0), True)
    cells = np.stack([hot_region(heat - usual, level=HOT_LEVEL) for heat in each])
    return Region("heat", cells, False)


def shared_pixels(members: UInt8[ndarray, "n H W 3"], others: UInt8[ndarray, "m H W 3"]) -> Region:
    """Return the pixels that photos of a group have in common, as those with a stamp have.

        cell: MAD(members) ≤ 0.4 · min(MAD(others), median over the cells of MAD(members)),
        MAD: median distance from the median colour

    on 32 × 32 cells; up to half of the members may be without it, and photos that are all darker,
    or fainter, than the others share nothing for that.
    """
    ours, theirs = _scatter(members), _scatter(others)
    cells = ours <= SHARED_SCATTER * np.maximum(np.minimum(theirs, np.median(ours)), 1)
    return Region("pixels", np.repeat(cells[None], len(members), axis=0), True)


def _scatter(pixels: UInt8[ndarray, "n H W 3"]) -> Float[ndarray, "_ _"]:
    size = (min(CELLS, pixels.shape[2]), min(CELLS, pixels.shape[1]))
    small = np.stack([
        np.asarray(Image.fromarray(pixel).resize(size, Image.Resampling.BOX), np.float32)
        for pixel in pixels
    ])  # fmt: skip
    away = np.abs(small - np.median(small, axis=0)).mean(axis=3)
    return np.asarray(np.median(away, axis=0))


def cover(
    pixels: UInt8[ndarray, "n H W 3"],
    regions: Bool[ndarray, "n h w"],
    by: UInt8[ndarray, "n H W 3"] | None = None,
) -> UInt8[ndarray, "n H W 3"]:
    """Cover a region in each photo with its mean colour, or by the same region of other photos.

    A region reaches a quarter of a cell beyond its cells, as in the heatmap that is drawn.
    """
    if by is None:
        colours = np.round(pixels.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
        by = np.broadcast_to(colours, pixels.shape)
    grown = resize_map(regions.astype(np.float32), pixels.shape[1:3]) > 0.25
    return np.where(grown[..., None], by, pixels)


def recolour(
    pixels: UInt8[ndarray, "n H W 3"], shift: Float[ndarray, " 3"]
) -> UInt8[ndarray, "n H W 3"]:
    """Add a colour to every pixel, within 0 to 255."""
    return np.asarray(np.clip(np.round(pixels + shift), 0, 255), np.uint8)


def matching(
    of: Float[ndarray, " n"], among: Float[ndarray, " m"], *, generator: np.random.Generator
) -> Int[ndarray, " n"]:
    """Return for each value the place of the nearest other value, none twice while they last."""
    order = generator.permutation(len(of))
    left = np.ones(len(among), bool)
    nearest = np.zeros(len(of), np.int64)
    for place in order:
        if not left.any():
            left[:] = True
        free = np.flatnonzero(left)
        nearest[place] = free[np.abs(among[free] - of[place]).argmin()]
        left[nearest[place]] = False
    return nearest


def difference(
    ours: Float[ndarray, " n"], theirs: Float[ndarray, " m"], *, generator: np.random.Generator
) -> Interval:
    """Return the difference of two means with its 95 % bootstrap interval."""
    draws = [
        values[generator.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
        for values in (ours, theirs)
    ]
    low, high = np.quantile(draws[0] - draws[1], [0.025, 0.975])
    return Interval(float(ours.mean() - theirs.mean()), float(low), float(high))


_Said = tuple[Float[ndarray, " n"], Bool[ndarray, " n"]]
"""Of each photo: the probability of the class, and whether it is the best one."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The photos of a suspect beside others of its class, and the network that sees both.

    Attributes:
        answer: the network.
        index: the class.
        members: the suspect's photos.
        others: as many other photos of the class, the i-th matched to the i-th member.
        generator: draws the bootstrap's samples.
        is_right: of members and others, whether the class is the true one; None: not known.
    """

    answer: Answer
    index: int
    members: UInt8[ndarray, "n H W 3"]
    others: UInt8[ndarray, "n H W 3"]
    generator: np.random.Generator
    is_right: tuple[Bool[ndarray, " n"], Bool[ndarray, " n"]] | None = None

    def said(self, pixels: UInt8[ndarray, "n H W 3"]) -> _Said:
        """Ask the network about photos."""
        scores = self.answer(pixels)
        return scores[:, self.index].astype(np.float64), scores.argmax(axis=1) == self.index

    def outcome(self, before: _Said, after: _Said, *, of_others: bool = False) -> Outcome:
        """Return what a treatment did to the members, or to the others."""
        right = np.ones(len(before[0]), bool) if self.is_right is None else self.is_right[of_others]
        return Outcome(
            len(right),
            int((before[1] & right).sum()),
            int((after[1] & right).sum()),
            bootstrap(before[0] - after[0], generator=self.generator),
        )


def cover_trial(
    compared: Comparison,
    region: Region,
    other_maps: Float[ndarray, "n h w"],
    *,
    swap: bool = False,
) -> Trial:
    """Cover the members' region: in them, in matched others, and by shuffled maps.

    Args:
        compared: members and others.
        region: of the members.
        other_maps: of the others.
        swap: cover with the same region of another photo, which looks like a photo still, instead
            of the mean colour, whose edges a network may take for something.
    """
    members, others = compared.members, compared.others
    strange = np.stack([hot_region(heat, level=HOT_LEVEL) for heat in other_maps])
    before, told = compared.said(members), compared.said(others)
    over, beyond = (others, np.roll(others, 1, axis=0)) if swap else (None, None)
    after = compared.said(cover(members, region.cells, over))
    matched = compared.said(cover(others, region.cells, beyond))
    shuffled = compared.said(cover(members, strange, over))
    ours, theirs = before[0] - after[0], told[0] - matched[0]
    shuffles = before[0] - shuffled[0]
    against = difference(ours, theirs, generator=compared.generator)
    paired = bootstrap(ours - shuffles, generator=compared.generator)
    return Trial(
        "swap" if swap else "cover",
        region,
        compared.outcome(before, after),
        compared.outcome(told, matched, of_others=True),
        compared.outcome(before, shuffled),
        against,
        paired,
        against.low > EFFECT and paired.low > EFFECT and float(ours.mean()) > EFFECT,
    )


def paste_trial(
    compared: Comparison, region: Region, strangers: UInt8[ndarray, "m H W 3"]
) -> Paste:
    """Paste the members' region into photos of other classes, and count how many become the class.

    The same region of other photos of the class is pasted likewise: what turns a photo as well when
    it comes from any photo of the class is the thing itself. This needs no drop on the members, of
    which a network that has memorised them is sure, whatever is covered.

    Args:
        compared: members and others; its generator also draws from which photo each stranger is
            given the region.
        region: of the members.
        strangers: photos that the network takes for other classes.

    Source:
        Neuhaus et al., *Spurious Features Everywhere*, ICCV 2023 (arXiv:2212.04871): a harmful
        feature adds the class where the class's thing is not.
    """
    chosen = compared.generator.integers(0, len(compared.members), len(strangers))
    turned, matched = (
        compared.said(cover(strangers, region.cells[chosen], donors[chosen]))[1]
        for donors in (compared.members, compared.others)
    )
    against = bootstrap(
        turned.astype(float) - matched, level=CONFIDENCE_LEVEL, generator=compared.generator
    )
    counts = int(turned.sum()), int(matched.sum())
    return Paste(region, len(strangers), *counts, against, against.low > PASTED_SHARE)


def recolour_trial(compared: Comparison) -> Trial:
    """Give the members the others' mean colour, and shift the others' colours by as much."""
    members, others = compared.members, compared.others
    shift = (others.mean(axis=(0, 1, 2)) - members.mean(axis=(0, 1, 2))).astype(np.float32)
    before, told = compared.said(members), compared.said(others)
    after = compared.said(recolour(members, shift))
    matched = compared.said(recolour(others, shift))
    against = difference(before[0] - after[0], told[0] - matched[0], generator=compared.generator)
    return Trial(
        "recolour",
        None,
        compared.outcome(before, after),
        compared.outcome(told, matched, of_others=True),
        None,
        against,
        None,
        against.low > COLOUR_EFFECT,
    )


def colour_distance(members: Float[ndarray, "n 3"], others: Float[ndarray, "m 3"]) -> float:
    """Return how far the mean colours of two groups are apart, in standard deviations.

    d = max over axes a of |mean(a, members) − mean(a, others)| / s(a),
    a: brightness, red − green, blue − yellow;  s: the root of the mean variance
    """
    axes = np.array([[1, 1, 1], [1, -1, 0], [-0.5, -0.5, 1]]).T
    ours, theirs = members @ axes, others @ axes
    scatter = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 2)
    gap = np.abs(ours.mean(axis=0) - theirs.mean(axis=0))
    return float((gap / np.maximum(scatter, 1e-6)).max())
