"""TorchScript modules: their layers cannot be reached, so only their scores are known.

Axes: n image, h row, w column, c channel, q number that the module returns.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.predicting import PredictNetwork


class ScriptedNetwork(PredictNetwork):
    """A TorchScript module in memory, which is run in evaluation mode."""

    framework = "torch"

    def _predict(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n q"]:
        return self._checked(self._outputs(images), len(images))

    def _outputs(self, images: Float[ndarray, "n h w c"]) -> Any:
        """Return the module's output for images, as numpy."""
        was_training = self.model.training
        like = next(iter(self.model.parameters()), torch.zeros(()))
        self.model.eval()
        try:
            with torch.no_grad():
                tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).contiguous()
                found = self.model(tensor.to(like.device, like.dtype))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].rstrip(".")
            raise ModelError(f"'{self.name}' cannot be run: {reason}.") from error
        finally:
            self.model.train(was_training)
        if not isinstance(found, torch.Tensor):
            raise ModelError(
                f"'{self.name}' returned a {type(found).__name__}, not one tensor of scores. "
                "Script a module that returns them alone."
            )
        return found.float().cpu().numpy()
