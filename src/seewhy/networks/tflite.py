"""Networks in TFLite files: LiteRT runs them, image by image, and only their scores are known.

Axes: n image, h row, w column, c channel, q number that the file returns.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.errors import MissingFramework, ModelError, SeewhyError
from seewhy.networks.checks import check_input_size
from seewhy.networks.predicting import PredictNetwork


class TFLiteNetwork(PredictNetwork):
    """A network in a TFLite file; quantized inputs and outputs are converted by its own scales.

    Args:
        path: the file.

    Raises:
        MissingFramework: neither LiteRT nor TensorFlow is installed.
        ModelError: the file is missing, damaged, or does not take one image.
    """

    framework = "LiteRT"

    def __init__(self, path: Path) -> None:
        _refuse_flex(path)
        try:
            self._interpreter = _interpreter_class()(model_path=str(path))
            inputs = self._interpreter.get_input_details()
            shape = _image_shape(path, [list(map(int, tensor["shape"])) for tensor in inputs])
            self._interpreter.allocate_tensors()
        except (RuntimeError, OSError, ValueError) as error:
            if isinstance(error, SeewhyError):
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"'{path}' is not a TFLite network that LiteRT can run: {lines[0].rstrip('.')}. It "
                "may be damaged, or need operators of its own; convert it again."
            ) from error
        self._input, self._output = inputs[0], self._interpreter.get_output_details()[0]
        self._lock = Lock()
        super().__init__(
            self._predicted, size=(shape[1], shape[2]), channels=shape[3], name=str(path)
        )

    def _predicted(self, images: Float[ndarray, "n h w c"]) -> Float[ndarray, "n q"]:
        """Return one row of numbers for each image."""
        with self._lock:
            return np.stack([self._row(image) for image in images])

    def _row(self, image: Float[ndarray, "h w c"]) -> Float[ndarray, " q"]:
        kind = self._input["dtype"]
        scale, zero = self._input["quantization"]
        given = image / scale + zero if scale else image
        if np.issubdtype(kind, np.integer):
            limits = np.iinfo(kind)
            given = given.round().clip(limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], given[None].astype(kind))
        self._interpreter.invoke()
        numbers = self._interpreter.get_tensor(self._output["index"]).astype(np.float32)
        scale, zero = self._output["quantization"]
        row: ndarray = (numbers - zero) * scale if scale else numbers
        return row.reshape(-1)


def _image_shape(path: Path, shapes: Sequence[Sequence[int]]) -> Sequence[int]:
    """Return the shape of the one image that a file takes; no memory is taken for it yet.

    Raises:
        ModelError, OptionError: it takes something else, or too large an image.
    """
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1:
        listed = ", ".join(" × ".join(map(str, shape)) for shape in shapes)
        raise ModelError(
            f"'{path}' does not take one image (1 × rows × columns × channels): its inputs are "
            f"{listed}. Convert the network with one image as its only input."
        )
    _, height, width, channels = shapes[0]
    check_input_size(str(path), (height, width), channels)
    return shapes[0]


def _interpreter_class() -> Any:
    """Return LiteRT's interpreter, from its own package or TensorFlow's."""
    for name in ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter"):
        try:
            return importlib.import_module(name).Interpreter
        except ImportError:
            continue
    raise MissingFramework(
        "A network in a TFLite file needs LiteRT. Install it: pip install 'seewhy[tflite]'"
    )


def _refuse_flex(path: Path) -> None:
    """Refuse a file with operators of TensorFlow itself, some of which read and write files.

    Raises:
        ModelError: that is so, or the file cannot be read.
    """
    try:
        flex = re.search(rb"Flex[A-Z]\w{2,60}\0", path.read_bytes())
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror}.") from error
    if flex:
        name = flex[0][:-1].decode("ascii", "replace")
        raise ModelError(
            f"'{path}' has the operator {name}, which is TensorFlow's own and may read and write "
            "files. Convert the network with TFLite's operators alone (TFLITE_BUILTINS)."
        )
