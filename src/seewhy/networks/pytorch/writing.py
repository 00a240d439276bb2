"""Write a module as an ONNX file with CAM's maps of all classes as one more output.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.onnx.reading import import_onnx
from seewhy.networks.onnx.writing import CAM_OUTPUT
from seewhy.networks.pytorch.hooks import ActivationCatcher, LayerHook
from seewhy.networks.pytorch.layout import CHANNELS_FIRST, Layout

IMAGE_INPUT = "image"
"""The input's name in a written file."""


class WithMaps(torch.nn.Module):  # type: ignore[misc]  # torch ships no types here
    """A module that returns CAM's maps of all classes beside its own output.

    Args:
        model: the user's.
        forward: calls it, with hooks on its layers.
        layer: the layer's name.
        layout: of the layer's output; None: (n, c, h, w).
        weights: the linear map after its mean.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        forward: Callable[[dict[str, LayerHook], torch.Tensor], Any],
        *,
        layer: str,
        layout: Layout | None,
        weights: Float[ndarray, "k c"],
    ) -> None:
        super().__init__()
        self.model, self.layer, self.layout = model, layer, layout or CHANNELS_FIRST
        self.run = forward
        self.register_buffer("weights", torch.from_numpy(weights)[:, :, None, None])

    def forward(self, images: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """Return the model's output, and the maps (n, k, h, w)."""
        catcher = ActivationCatcher([self.layer], differentiable=False, stop=False)
        output = self.run(catcher.hooks(), images)
        maps = catcher.outputs[self.layer].movedim(self.layout.channel, 1).float()
        if self.layout.grid is not None:
            rows, columns = self.layout.grid
            maps = maps[:, :, self.layout.prefix : self.layout.prefix + rows * columns]
            maps = maps.unflatten(2, (rows, columns))
        return output, torch.nn.functional.conv2d(maps, self.weights)


def write_onnx(
    module: WithMaps, images: torch.Tensor, path: Path, *, outputs: int, name: str
) -> None:
    """Write a module by PyTorch's exporter that needs no further package.

    Args:
        module: in evaluation mode.
        images: two of them, to trace it with.
        path: of the file.
        outputs: how many tensors the network returns itself.
        name: of the network, in messages.

    Raises:
        MissingFramework: onnx or onnxruntime is not installed.
        ModelError: PyTorch cannot export it.
    """
    import_onnx()
    content = io.BytesIO()
    names = ["output", *(f"output_{number}" for number in range(2, outputs + 1)), CAM_OUTPUT]
    own = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer, and of the exporter's age
            torch.onnx.export(
                module,
                (images,),
                content,
                input_names=[IMAGE_INPUT],
                output_names=names,
                dynamic_axes={part: {0: "n"} for part in (IMAGE_INPUT, *names)},
                **own,
            )
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
        raise ModelError(f"PyTorch cannot export '{name}' as ONNX: {reason}.") from error
    path.write_bytes(content.getvalue())
