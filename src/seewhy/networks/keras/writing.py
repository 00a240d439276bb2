"""Write a Keras model with CAM's maps of all classes as one more output, and run such a file.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.checks import check_ending
from seewhy.networks.keras.batches import BatchedModel
from seewhy.networks.keras.filters import to_numpy
from seewhy.networks.keras.private import functional, joined_tensor, without_tail
from seewhy.networks.keras.structure import FAILURES
from seewhy.networks.weights import WithCam

CAM_OUTPUT = "cam"
"""The name of the layer that computes the maps in a written file."""


class WritableModel(BatchedModel):
    """A Keras model that is written with its maps, whatever its backend."""

    channels_first: bool

    def with_cam(self, layer: Any, path: Path) -> WithCam:
        """Write a `.keras` file whose last output are CAM's maps of all classes."""
        check_ending(self.name, path, ".keras")
        (name,) = self._names([layer])
        weights = self.class_weights(name)
        tensor = joined_tensor(self.model, name)
        if tensor is None:
            raise ModelError(self._not_joined(name))
        try:
            with without_tail(tensor):
                with_maps(self.model, tensor, weights, self.channels_first).save(path)
            written = keras.models.load_model(path, compile=False)
        except FAILURES as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"Keras cannot write and load '{self.name}' with its heat: {reason.rstrip('.')}."
            ) from error
        return WithCam(self._runs(written, has_maps=True), self._runs(self.model, has_maps=False))

    def _not_joined(self, layer: str) -> str:
        if functional(self.model) is None:
            return (
                f"'{self.name}' computes its output in code of its own, so that Keras cannot give "
                "it a further output. Build it by keras.Model(inputs, outputs)."
            )
        return (
            f"The layer '{layer}' of '{self.name}' is inside a model, and is not what that model "
            "returns. Name the layer that it returns: --layer."
        )

    def _runs(
        self, model: Any, *, has_maps: bool
    ) -> Callable[[Float[ndarray, "n h w c"]], Sequence[ndarray]]:
        def run(images: Float[ndarray, "n h w c"]) -> Sequence[ndarray]:
            given = np.moveaxis(images, -1, 1) if self.channels_first else images
            outputs = [
                to_numpy(tensor)
                for tensor in keras.tree.flatten(
                    model(keras.ops.convert_to_tensor(given), training=False)
                )
            ]
            if has_maps and self.channels_first:
                outputs[-1] = np.moveaxis(outputs[-1], 1, -1)
            return outputs

        return run


def with_maps(model: Any, tensor: Any, weights: Float[ndarray, "k c"], channels_first: bool) -> Any:
    """Return a model of the same layers that returns maps last, (n, h, w, k).

    Args:
        model: the user's.
        tensor: the map's, in the model.
        weights: the linear map after its mean.
        channels_first: whether the maps are (n, k, h, w).
    """
    taken = {layer.name for layer in model.layers}
    maps = keras.layers.Conv2D(
        len(weights),
        1,
        use_bias=False,
        name=CAM_OUTPUT if CAM_OUTPUT not in taken else f"seewhy_{CAM_OUTPUT}",
        dtype="float32",
        data_format="channels_first" if channels_first else "channels_last",
    )
    output = maps(tensor)
    maps.set_weights([weights.T[None, None]])
    return keras.Model(model.inputs, [*model.outputs, output], name=model.name)
