"""Groups of photos of one class: by k-means, and by a spectral cut of the neighbour graph.

Axes: n photo, d feature of a descriptor.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.reporting.descriptors import scikit_learn

MOST_CLUSTERS = 8
"""Clusters of a class, at most."""

SAMPLE = 2000
"""Photos of a class that are clustered; the others join the cluster of their neighbours."""

NEIGHBOURS = 10


def kmeans_groups(
    points: Float[ndarray, "n d"], *, counts: Sequence[int], seed: int = 0
) -> dict[int, Int[ndarray, " n"]]:
    """Return the clusters of k-means for each number of clusters."""
    cluster = scikit_learn("cluster")
    return {
        count: cluster.KMeans(count, n_init=3, random_state=seed).fit_predict(points)
        for count in counts
        if count < len(points)
    }


def best_groups(
    points: Float[ndarray, "n d"], groups: dict[int, Int[ndarray, " n"]], *, seed: int = 0
) -> Int[ndarray, " n"]:
    """Return the clusters with the largest mean silhouette; one cluster where there is none.

    Source:
        Rousseeuw, *Silhouettes*, Journal of Computational and Applied Mathematics 20, 1987.
    """
    metrics = scikit_learn("metrics")
    best, level = np.zeros(len(points), np.int64), 0.0
    for group in groups.values():
        if len(np.unique(group)) < 2:
            continue
        size = min(len(points), 500)
        value = metrics.silhouette_score(points, group, sample_size=size, random_state=seed)
        if value > level:
            best, level = group.astype(np.int64), float(value)
    return best


def spectral_groups(
    points: Float[ndarray, "n d"], *, counts: Sequence[int], seed: int = 0
) -> dict[int, Int[ndarray, " n"]]:
    """Return the clusters of a spectral cut of the neighbour graph, for each number of clusters.

        S = D^-1/2 (A + c) D^-1/2,  A = 1 where one photo is among the 10 nearest of the other

    The constant c is a hundredth of the edges, spread over all pairs: it orders the eigenvectors of
    parts without an edge between them.

    The k largest eigenvectors of S, each photo's row scaled to length 1, are clustered by k-means.

    Source:
        Ng, Jordan and Weiss, *On Spectral Clustering*, NIPS 2001.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, eigsh

    most = max(counts)
    if len(points) < max(3 * NEIGHBOURS, 2 * most):
        return {}
    graph = sparse.csr_matrix(neighbour_graph(points))
    graph = graph.maximum(graph.T)
    count = len(points)
    even = 0.01 * graph.sum() / count**2
    scale = 1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel() + even * count)

    def times(vector: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
        scaled = scale * vector.ravel()
        return np.asarray(scale * (graph @ scaled + even * scaled.sum()))

    matrix = LinearOperator((count, count), matvec=times, dtype=np.float64)
    start = np.random.default_rng(seed).normal(size=count)
    values, vectors = eigsh(matrix, k=most, which="LA", v0=start, maxiter=5000, tol=1e-6)
    vectors = vectors[:, np.argsort(-values)]
    groupings: dict[int, Int[ndarray, " n"]] = {}
    for count in counts:
        rows = vectors[:, :count]
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0, lengths, 1)
        with warnings.catch_warnings():
            # Parts without an edge between them have equal rows: fewer clusters than asked for.
            warnings.simplefilter("ignore", scikit_learn("exceptions").ConvergenceWarning)
            groupings |= kmeans_groups(rows, counts=[count], seed=seed)
    return groupings


def neighbour_graph(points: Float[ndarray, "n d"], *, count: int = NEIGHBOURS) -> Any:
    """Return the sparse (n, n) graph of each photo's nearest other photos."""
    nearest = scikit_learn("neighbors").NearestNeighbors(n_neighbors=count).fit(points)
    return nearest.kneighbors_graph()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: for clusters of this size, several wait for each other."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # scikit-learn brings it
        yield
        return
    with threadpool_limits(limits=1):
        yield
