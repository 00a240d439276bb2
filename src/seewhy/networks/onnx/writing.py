"""Write an ONNX network with CAM's maps of all classes as one more output, and run such a file.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.networks.onnx.graph import TO_LAST, Axes, Graph
from seewhy.networks.onnx.reading import import_onnx
from seewhy.networks.onnx.session import Runner

CAM_OUTPUT = "cam"
"""The output's name in a written file."""


def model_with_cam(graph: Graph, layer: str, axes: Axes, weights: Float[ndarray, "k c"]) -> Any:
    """Return a `ModelProto` whose last output is (n, k, h, w), or (n, h, w, k) as its layer's is.

    Args:
        graph: of the network.
        layer: the map's tensor.
        axes: its axes.
        weights: the linear map after its mean.
    """
    onnx, _ = import_onnx()
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in (*model.graph.output, *model.graph.initializer)}
    output = next(name for name in (CAM_OUTPUT, "seewhy_cam", "seewhy_cam_2") if name not in taken)
    source, kernel = f"{output}.source", f"{output}.weights"
    first = axes == "nchw"
    values = weights[:, :, None, None] if first else weights.T
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.ascontiguousarray(values, np.float32), kernel)
    )
    float32 = onnx.TensorProto.FLOAT
    model.graph.node.extend(
        [
            onnx.helper.make_node("Cast", [layer], [source], source, to=float32),
            onnx.helper.make_node("Conv" if first else "MatMul", [source, kernel], [output]),
        ]
    )
    shape = ["n", len(weights), "h", "w"] if first else ["n", "h", "w", len(weights)]
    model.graph.output.append(onnx.helper.make_tensor_value_info(output, float32, shape))
    return model


def outputs_of(
    content: bytes, image: Callable[[ndarray], ndarray], *, name: str, axes: Axes | None = None
) -> Callable[[Float[ndarray, "n h w c"]], Sequence[ndarray]]:
    """Return what runs a file.

    Args:
        content: the file.
        image: turns images, channels last, into the file's input.
        name: in messages.
        axes: of the maps, if the last output is that.
    """

    def run(images: Float[ndarray, "n h w c"]) -> Sequence[ndarray]:
        runner = Runner(content, name=name, one_by_one=False)
        try:
            arrays = runner.run({runner.inputs[0]: image(images)})
        except ModelError:  # its batch is always one image
            arrays = Runner(content, name=name, one_by_one=True).run(
                {runner.inputs[0]: image(images)}
            )
        outputs = [arrays[output] for output in runner.outputs]
        if axes == "nchw":
            outputs[-1] = outputs[-1].transpose(TO_LAST)
        return outputs

    return run
