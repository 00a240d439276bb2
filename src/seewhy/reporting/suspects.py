"""Small groups of a class's photos that are islands among the others: what a shortcut looks like.

Axes: n photo, h row, w column of a map, d feature of a descriptor, t trait.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray

from seewhy.reporting.clusters import (
    MOST_CLUSTERS,
    SAMPLE,
    best_groups,
    kmeans_groups,
    one_thread,
    spectral_groups,
)
from seewhy.reporting.descriptors import colour_descriptors, scikit_learn, where_descriptors
from seewhy.reporting.stamps import roving_groups, stamped_groups

LARGEST_SHARE = 0.2
"""The share of a class that a suspect has at most: more is what the class looks like."""

SMALLEST_SUSPECT = 8
"""Photos of a suspect, at least."""

SMALLEST_STAMPED_GROUP = 10
"""Photos of a suspect that is found by its pixels, at least."""

ROVING_SUSPECTS = 3
"""Groups of a class with a patch in common at any place, at most."""

GAP = 3.0
"""Standard deviations of the others between them and a suspect."""

FEWEST_CLASS_PHOTOS = 50
"""Photos of a class that is searched, at least: a fifth of them can be tested."""

TRAITS = 16
"""Principal components in which islands are looked for."""

WHOLE_GAP_SHARE = 0.8
"""The share of the largest gap that a larger suspect of the same photos needs."""

SHORES = (0.5, 0.35)
"""Where an island ends, on the way from the mean of the others to its own; both are tried."""

COLOUR = "colour"
"""The descriptor of suspects that are found by the colours of the photo."""

STAMP = "pixels"
"""Likewise by pixels that they share at the same place."""

STEPS = 5
"""Steps in which a cluster settles on its island."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """A group of photos that is unlike the others of its class.

    Attributes:
        members: their places among the photos of the class.
        descriptor: in which the cluster was found: 'where' the heat is, 'what' is under it,
            'colour', of the whole photo, or 'pixels' that are the same.
        by: 'k-means', 'spectral', 'patches' (at the same place) or 'roving patches' (anywhere).
        gap: standard deviations between the others and the group, see `island_gap`; of pixels,
            how many times as far away the others are.
        odd: the share of the mean heat that is where the others have none.
        cells: where roving patches are in each member; None of other groups.
    """

    members: Int[ndarray, " m"]
    descriptor: str
    by: str
    gap: float
    odd: float
    cells: Bool[ndarray, "m h w"] | None = None


@dataclass(frozen=True, eq=False)
class Groups:
    """How the photos of a class fall apart.

    Attributes:
        parts: the cluster of each photo, by where the heat is.
        suspects: the groups that stand out, those that do most first, and then those of pixels
            and of colour, which may have the same photos.
    """

    parts: Int[ndarray, " n"]
    suspects: tuple[Suspect, ...]


def find_groups(
    maps: Float[ndarray, "n h w"],
    features: Float[ndarray, "n d"] | None = None,
    tiny: UInt8[ndarray, "n 32 32 3"] | None = None,
    *,
    seed: int = 0,
) -> Groups:
    """Cluster the photos of a class, and find the groups that stand out.

    Clusters of every number from 2 to 8, by k-means and by a spectral cut, on all descriptors and
    on the traits, are candidates. Each settles on the photos that are nearer to it than to the
    others, on the line that sets it apart; a suspect is then small, and an island.

    Args:
        maps: of the class, of each photo.
        features: *what*, as `what_descriptors` returns it; None where it was not recorded.
        tiny: the photos at 32 × 32; None where they are not at hand.
        seed: of k-means, and of the sample that is clustered where there are many photos.
    """
    where = np.sqrt(where_descriptors(maps))  # distances of square roots: Hellinger's
    count = len(maps)
    chosen = np.arange(count)
    if count > SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).choice(count, SAMPLE, replace=False))
    traits = traits_of(where if features is None else features)
    spaces = {"where": [where]} | ({} if features is None else {"what": [features, traits]})
    lines = dict.fromkeys(spaces, traits)
    if tiny is not None and len(np.unique(tiny)) > 1:
        lines[COLOUR] = traits_of(colour_descriptors(tiny))
        spaces[COLOUR] = [lines[COLOUR]]
    suspects: list[Suspect] = []
    parts = np.zeros(count, np.int64)
    if count < FEWEST_CLASS_PHOTOS or not np.ptp(traits, axis=0).any():
        return Groups(parts, ())
    with one_thread():
        for name, several in spaces.items():
            for points in several:
                sample = points[chosen]
                by_means = kmeans_groups(sample, counts=range(2, MOST_CLUSTERS + 1), seed=seed)
                if name == "where":
                    parts = _spread_out(best_groups(sample, by_means, seed=seed), chosen, points)
                by_cut = spectral_groups(sample, counts=range(2, MOST_CLUSTERS + 1), seed=seed)
                for way, groups in (("k-means", by_means), ("spectral", by_cut)):
                    for members in _small(groups):
                        suspects += _islands(members, lines[name][chosen], name, way)
    mean = where**2
    kept = []
    by_colour = [suspect for suspect in suspects if suspect.descriptor == COLOUR]
    others = [suspect for suspect in suspects if suspect.descriptor != COLOUR]
    still, roving = ([], []) if tiny is None else _stamps(tiny, maps, seed=seed)
    kinds = (others, still, roving, by_colour)
    for suspect in itertools.chain.from_iterable(map(_distinct, kinds)):
        widens = count > SAMPLE and suspect.descriptor != STAMP
        whole = _widened(suspect, chosen, lines[suspect.descriptor]) if widens else suspect
        inside = np.zeros(count, bool)
        inside[whole.members] = True
        odd = 0.5 * float(np.abs(mean[inside].mean(axis=0) - mean[~inside].mean(axis=0)).sum())
        kept.append(replace(whole, odd=odd))
    return Groups(parts, tuple(kept))


def _stamps(
    tiny: UInt8[ndarray, "n 32 32 3"], maps: Float[ndarray, "n h w"], *, seed: int
) -> tuple[list[Suspect], list[Suspect]]:
    """Return the groups that have pixels in common: at the same place, and anywhere."""
    smallest, largest = SMALLEST_STAMPED_GROUP, LARGEST_SHARE
    stamps = stamped_groups(tiny, smallest=smallest, largest=largest, seed=seed)
    roving = roving_groups(tiny, maps, smallest=smallest, largest=largest, seed=seed)
    return [
        Suspect(np.flatnonzero(members), STAMP, "patches", room, 0.0) for members, room in stamps
    ], [
        Suspect(np.flatnonzero(members), STAMP, "roving patches", room, 0.0, cells)
        for members, room, cells in itertools.islice(roving, ROVING_SUSPECTS)
    ]


def traits_of(features: Float[ndarray, "n d"]) -> Float[ndarray, "n t"]:
    """Return the first principal components, each with the variance 1.

    What few photos have in common is a direction of little variance: scaled up, it is seen. There
    are at most 16, and one for every 25 photos.
    """
    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), 0), np.float32)
    count = min(TRAITS, max(2, len(features) // 25), *features.shape)
    components = scikit_learn("decomposition").PCA(count, svd_solver="full").fit_transform(features)
    scale = components.std(axis=0)
    kept = scale > 1e-6 * max(float(scale.max()), 1e-30)
    return np.asarray(components[:, kept] / scale[kept], np.float32)


def direction(traits: Float[ndarray, "n t"], members: Bool[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return each photo's place on the line that sets members best apart from the others."""
    return np.asarray(traits @ _fisher(traits[members], traits[~members]))


def _fisher(ours: Float[ndarray, "_m t"], others: Float[ndarray, "_n t"]) -> Float[ndarray, " t"]:
    """Return the direction that sets our photos best apart from the others.

        w = (C + 0.05 I)^-1 (mean of the members − mean of the others),  C: covariance of the others

    Source:
        Fisher, *The Use of Multiple Measurements in Taxonomic Problems*, Annals of Eugenics 1936.
    """
    count = others.shape[1]
    scatter = np.cov(others.T).reshape(count, count) + 0.05 * np.eye(count)
    return np.asarray(np.linalg.solve(scatter, ours.mean(axis=0) - others.mean(axis=0)))


def island_gap(traits: Float[ndarray, "n t"], members: Bool[ndarray, " n"]) -> float:
    """Return how much room there is between the members and the others.

        gap = (10 % quantile of the members − 99 % quantile of the others) / s(others)

    on Fisher's line. A piece cut off one cloud of photos has next to none, wherever it is cut.
    """
    line = direction(traits, members)
    room = np.quantile(line[members], 0.1) - np.quantile(line[~members], 0.99)
    return float(room / max(float(line[~members].std()), 1e-9))


def _small(several: dict[int, Int[ndarray, " n"]]) -> Iterator[Bool[ndarray, " n"]]:
    """Yield the clusters that are small enough, each once."""
    seen = set()
    for groups in several.values():
        for group in np.unique(groups):
            members = groups == group
            if 2 <= members.sum() <= LARGEST_SHARE * len(groups) and members.tobytes() not in seen:
                seen.add(members.tobytes())
                yield members


def _islands(
    members: Bool[ndarray, " n"], traits: Float[ndarray, "n t"], descriptor: str, by: str
) -> list[Suspect]:
    """Let a cluster settle on its island; return it if it is one, for each of the `SHORES`."""
    suspects = []
    for shore in SHORES:
        settled = _settled(members, traits, shore)
        if not SMALLEST_SUSPECT <= settled.sum() <= LARGEST_SHARE * len(settled):
            continue
        gap = island_gap(traits, settled)
        if gap >= GAP:
            suspects.append(Suspect(np.flatnonzero(settled), descriptor, by, gap, 0.0))
    return suspects


def _settled(
    members: Bool[ndarray, " n"], traits: Float[ndarray, "n t"], shore: float
) -> Bool[ndarray, " n"]:
    """Move a cluster, step by step, to the photos beyond its shore."""
    for _ in range(STEPS):
        line = direction(traits, members)
        inside = line > shore * line[members].mean() + (1 - shore) * line[~members].mean()
        if not SMALLEST_SUSPECT <= inside.sum() <= LARGEST_SHARE * len(members):
            break
        if (inside == members).all():
            break
        members = inside
    return members


def _distinct(suspects: list[Suspect]) -> list[Suspect]:
    """Keep one of suspects that share most of their photos: the largest that stands out well.

    The one that stands out most is often only the core of the group: a larger one with eight tenths
    of its gap is taken for the whole.
    """
    kept: list[Suspect] = []
    left = sorted(suspects, key=lambda each: -each.gap)
    while left:
        best = left[0]
        alike = [suspect for suspect in left if overlap(suspect, best)]
        whole = max(
            (suspect for suspect in alike if suspect.gap >= WHOLE_GAP_SHARE * best.gap),
            key=lambda suspect: len(suspect.members),
        )
        kept.append(whole)
        left = [
            suspect
            for suspect in left
            if not overlap(suspect, best) and not overlap(suspect, whole)
        ]
    return kept


def overlap(suspect: Suspect, other: Suspect) -> bool:
    """Return whether two suspects share half of the smaller one's photos."""
    shared = len(np.intersect1d(suspect.members, other.members))
    return shared >= 0.5 * min(len(suspect.members), len(other.members))


def _spread_out(
    groups: Int[ndarray, " s"], chosen: Int[ndarray, " s"], points: Float[ndarray, "n d"]
) -> Int[ndarray, " n"]:
    """Return the cluster of every photo: of one that was not clustered, the nearest mean's."""
    if len(chosen) == len(points):
        return groups
    means = np.stack([points[chosen][groups == group].mean(axis=0) for group in np.unique(groups)])
    distances = ((points[:, None] - means[None]) ** 2).sum(axis=2)
    return np.asarray(distances.argmin(axis=1))


def _widened(
    suspect: Suspect, chosen: Int[ndarray, " s"], traits: Float[ndarray, "n t"]
) -> Suspect:
    """Add the photos that were not clustered and are on the suspect's side of the middle."""
    members = np.zeros(len(chosen), bool)
    members[suspect.members] = True
    sample = traits[chosen]
    ours, others = sample[members], sample[~members]
    way = _fisher(ours, others)
    inside = traits @ way > ((ours.mean(axis=0) + others.mean(axis=0)) / 2) @ way
    inside[chosen] = members
    return replace(suspect, members=np.flatnonzero(inside))
