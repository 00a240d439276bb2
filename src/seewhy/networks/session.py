"""A cache of what is computed once per network.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import ModelError, NotACamNetwork, SeewhyWarning
from seewhy.networks.cells import Cells, Shares, find_cells, not_a_map
from seewhy.networks.execution import EXACT, Execution

if TYPE_CHECKING:
    from seewhy.incremental import Engine
    from seewhy.networks.base import Network

TOLERANCE = 1e-3
"""The largest error of cached weights, as a share of a photo's largest score."""


SAMPLED_VALUES = 16
"""Values of each weight that are compared to detect a change."""


@dataclass(frozen=True, eq=False)
class ClassWeights:
    """The linear map after a layer, scores = weights · mean of activations + bias.

    Attributes:
        weights: (k, c), a row per class.
        bias: (k), from the first photo; None before it.
        tolerance: the largest error of the formula, as a share of the largest score.
    """

    weights: Float[ndarray, "k c"]
    bias: Float[ndarray, " k"] | None = None
    tolerance: float = TOLERANCE


class Session:
    """A cache of what is computed once per network; private, and owned by its classifier.

    A network may be trained further between two questions, so nothing is used unchecked: cached
    class weights are checked against the scores of the explained photos, and an engine against the
    network itself, and both are recomputed if they are out of date. Threads may share it.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._lock = RLock()
        self.measured: dict[Any, Any] = {}
        self._variants: dict[Execution, tuple[Network, Execution]] = {}
        self._weights: dict[tuple[str, Execution], ClassWeights | str] = {}
        self._engines: dict[tuple[int, ...], Engine] = {}
        self._without_engine: dict[tuple[int, ...], str] = {}
        self._digest: tuple[bytes, str] | None = None
        self._cells: dict[tuple[str, tuple[int, int]], Cells] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Session, (self.network,)

    def network_for(self, execution: Execution) -> tuple[Network, Execution]:
        """Return the network that computes as asked, and how it computes.

        Where the framework or the machine does not offer that, the network computes as it is.

        Warns:
            SeewhyWarning: the first time, if it does not; says why.
        """
        if execution == EXACT:
            return self.network, EXACT
        with self._lock:
            known = self._variants.get(execution)
            if known is None or not known[0].is_current:
                self.measured.clear()
                known = self._variants[execution] = self._computing(execution)
            return known

    def _computing(self, execution: Execution) -> tuple[Network, Execution]:
        try:
            return self.network.computing(execution), execution
        except ModelError as reason:
            warnings.warn(
                f"{reason} '{self.network.name}' is run in float32.", SeewhyWarning, stacklevel=2
            )
            return self.network, EXACT

    def class_weights(self, layer: str, execution: Execution = EXACT) -> Float[ndarray, "k c"]:
        """Return the weights of the linear map after a layer, as CAM needs them.

        Raises:
            NotACamNetwork: something else follows the layer; the message says what.
        """
        key = layer, execution
        with self._lock:
            if key not in self._weights:
                try:
                    exact = execution == EXACT
                    weights = self.network.class_weights if exact else self.class_weights
                    self._weights[key] = ClassWeights(weights(layer))
                except NotACamNetwork as error:
                    self._weights[key] = str(error)
            class_weights = self._weights[key]
        if isinstance(class_weights, str):
            raise NotACamNetwork(class_weights)
        return class_weights.weights

    def checked_class_weights(
        self,
        layer: str,
        activations: Float[ndarray, "n h w c"],
        scores: Float[ndarray, "n k"],
        targets: Int[ndarray, "n t"],
        *,
        execution: Execution = EXACT,
    ) -> Float[ndarray, "k c"]:
        """Return the weights after a layer, reread if they no longer give the explained scores."""
        key = layer, execution
        with self._lock:
            weights = self.class_weights(layer, execution)
            class_weights = self._weights[key]
            assert isinstance(class_weights, ClassWeights)
            means = activations.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
            tolerance = class_weights.tolerance
            if class_weights.bias is not None:
                # Few rows, without BLAS: its threads would wait for each other, and spin.
                explained = np.einsum("nc,ntc->nt", means, weights[targets])
                bias = np.take_along_axis(scores, targets, axis=1) - explained
                off = float(np.abs(bias - class_weights.bias[targets]).max()) / max(
                    float(np.abs(scores).max()), 1e-30
                )
                if off <= tolerance:
                    return weights
                for stale in {key, (layer, EXACT)}:
                    self._weights.pop(stale, None)
                read_again = self.class_weights(layer, execution)
                if np.array_equal(read_again, weights):
                    tolerance = 2 * off  # the network computes in half precision
                weights = read_again
            first = scores[0] - weights @ means[0]
            self._weights[key] = ClassWeights(weights, first, tolerance)
            return weights

    def weights_sha256(self) -> str | None:
        """Return the SHA-256 of the network's weights: type, shape and values of each, in order.

        The weights are hashed again only if one of a few values of any of them has changed. None
        for a network that has no weights, or none that it shows.
        """
        arrays = [np.asarray(array) for array in self.network.weight_arrays()]
        if not arrays:
            return None
        sample = sha256()
        for weight in arrays:
            sample.update(weight.reshape(-1)[:: max(1, weight.size // SAMPLED_VALUES)].tobytes())
        with self._lock:
            if self._digest is None or self._digest[0] != sample.digest():
                whole = sha256()
                for weight in arrays:
                    whole.update(f"{weight.dtype} {weight.shape}".encode())
                    whole.update(np.ascontiguousarray(weight).data)
                self._digest = sample.digest(), whole.hexdigest()
            return self._digest[1]

    def cells(self, layer: str, size: tuple[int, int]) -> Shares:
        """Return what a layer's map covers of the network's input; found by trial, once.

        Raises:
            LayerError: the layer is no map of the photo.
        """
        with self._lock:
            if (layer, size) not in self._cells:
                self._cells[layer, size] = find_cells(self.network, layer, size)
            cells = self._cells[layer, size]
        if not cells.shows:
            raise not_a_map(self.network.name, layer)
        return cells.box

    def has_engine(self, size: tuple[int, ...]) -> bool:
        """True if an engine was made before, and may be out of date."""
        return size in self._engines

    def engine(self, size: tuple[int, ...], *, renew: bool = False) -> Engine:
        """Return the engine that re-runs windows of images of one size; the last one is kept.

        Raises:
            ModelError: the network cannot be read, or an engine of it has failed.
        """
        if size in self._without_engine:
            raise ModelError(self._without_engine[size])
        with self._lock:
            if renew or size not in self._engines:
                self._engines.clear()
                self._engines[size] = self.network.engine((size[0], size[1]))
            return self._engines[size]

    def give_up_engine(self, size: tuple[int, ...], reason: str) -> None:
        """Do not make an engine for images of this size again."""
        with self._lock:
            self._engines.pop(size, None)
            self._without_engine[size] = reason
