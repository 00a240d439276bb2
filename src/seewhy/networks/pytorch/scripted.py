"""TorchScript and exported modules: their layers cannot be reached, so only scores are known.

Axes: n image, h row, w column, c channel, q number that the module returns.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.predicting import PredictNetwork


class ScriptedNetwork(PredictNetwork):
    """A TorchScript or exported module in memory, which is run in evaluation mode."""

    framework = "torch"
    _takes_one = False

    def _predict(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n q"]:
        return self._checked(self._outputs(images), len(images))

    def _outputs(self, images: Float[ndarray, "n h w c"]) -> Any:
        """Return the module's output for images, as numpy."""
        was_training = self.model.training
        like = next(iter(self.model.parameters()), torch.zeros(()))
        tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).contiguous()
        with suppress(NotImplementedError):  # an exported module has one mode
            self.model.eval()
        try:
            outputs = self._called(tensor.to(like.device, like.dtype))
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[-1].rstrip(".")
            raise ModelError(f"'{self.name}' cannot be run: {reason}.") from error
        finally:
            with suppress(NotImplementedError):
                self.model.train(was_training)
        if not isinstance(outputs, torch.Tensor):
            raise ModelError(
                f"'{self.name}' returned a {type(outputs).__name__}, not one tensor of scores. "
                "Script a module that returns them alone."
            )
        return outputs.float().cpu().numpy()

    def _called(self, tensor: torch.Tensor) -> Any:
        """Call the module; by one image at a time where it was exported for one."""
        with torch.no_grad():
            if not self._takes_one or len(tensor) == 1:
                try:
                    return self.model(tensor)
                except (RuntimeError, AssertionError):
                    if len(tensor) == 1:
                        raise
            parts = [self.model(image) for image in tensor.split(1)]
            self._takes_one = True
            return torch.cat(parts) if isinstance(parts[0], torch.Tensor) else parts[0]
