"""Run an ONNX graph or a part of it: in onnxruntime, or as a PyTorch module for gradients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.errors import LayerError, ModelError, SeewhyError
from seewhy.networks.devices import provider_of
from seewhy.networks.onnx.reading import import_onnx

FATAL_LEVEL = 4
"""onnxruntime's level of messages from which on it prints them: errors are raised, and told."""


class Runner:
    """A part of a graph in onnxruntime.

    Args:
        content: the part, as a file.
        name: the network's name, for messages.
        one_by_one: whether its batch is always one image.
        device: where it computes; None: on the first of onnxruntime's providers.
    """

    def __init__(
        self, content: bytes, *, name: str, one_by_one: bool, device: str | None = None
    ) -> None:
        _, runtime = import_onnx()
        self.name, self.one_by_one = name, one_by_one
        options = runtime.SessionOptions()
        options.log_severity_level = FATAL_LEVEL
        options.intra_op_num_threads = len(os.sched_getaffinity(0)) if _has_affinity() else 0
        providers = runtime.get_available_providers()
        if device is not None:
            providers = list(dict.fromkeys([provider_of(device)[0], "CPUExecutionProvider"]))
            providers[0] = provider_of(device)
        try:
            self.session = runtime.InferenceSession(content, options, providers=providers)
        except Exception as error:
            raise _refused(name, error) from error
        self.inputs = [source.name for source in self.session.get_inputs()]
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, given: Mapping[str, ndarray]) -> dict[str, ndarray]:
        """Return the outputs for a batch, by name.

        Raises:
            ModelError: onnxruntime cannot run it.
        """
        given = {name: given[name] for name in self.inputs}
        count = max((len(array) for array in given.values()), default=1)
        rows = [slice(row, row + 1) for row in range(count)] if self.one_by_one else [slice(None)]
        outputs = [self._run({name: array[row] for name, array in given.items()}) for row in rows]
        return {
            name: np.concatenate([arrays[place] for arrays in outputs])
            for place, name in enumerate(self.outputs)
        }

    def _run(self, given: Mapping[str, ndarray]) -> list[ndarray]:
        try:
            outputs = self.session.run(self.outputs, dict(given))
        except Exception as error:
            raise _refused(self.name, error) from error
        return [np.atleast_1d(np.asarray(output)) for output in outputs]


def _has_affinity() -> bool:
    return hasattr(os, "sched_getaffinity")


def _refused(name: str, error: Exception) -> ModelError:
    """Return the error for what onnxruntime refuses; its own errors have no common class."""
    if isinstance(error, SeewhyError | MemoryError):
        raise error
    lines = str(error).strip().splitlines()
    reason = (lines[-1] if lines else type(error).__name__).rstrip(".")[:300]
    return ModelError(f"onnxruntime cannot run '{name}': {reason}.")


_FAILURES = (NotImplementedError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)


OLDER_OPSET = 13
"""The set of operators that onnx2torch knows best."""


def _converted(onnx: Any, convert: Any, content: bytes) -> Any:
    """Convert a part; its operators as those of an older set, where only these are known.

    Their meaning may have changed since: whoever uses the module compares its scores.
    """
    model = onnx.ModelProto.FromString(content)
    try:
        return convert(model)
    except _FAILURES:
        newer = [opset for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
        if all(opset.version <= OLDER_OPSET for opset in newer):
            raise
        for opset in newer:
            opset.version = min(opset.version, OLDER_OPSET)
        return convert(model)


def as_module(content: bytes, *, name: str) -> Any:
    """Return a part of a graph as a PyTorch module, by onnx2torch.

    Raises:
        LayerError: onnx2torch or PyTorch is not installed, or does not know an operator.
    """
    onnx, _ = import_onnx()
    try:
        import torch
        from onnx2torch import convert
    except (ImportError, RuntimeError) as error:  # torchvision fails so beside another torch
        raise LayerError(
            f"Gradients of the ONNX network '{name}' need PyTorch and onnx2torch, which cannot be "
            f"imported: {error}. Install them: pip install 'seewhy[onnx,torch]' onnx2torch, or use "
            "a method without gradients, such as occlusion or eigen-cam."
        ) from error
    try:
        module = _converted(onnx, convert, content)
    except _FAILURES as error:
        raise LayerError(
            f"'{name}' gives no gradients: onnx2torch cannot convert it ({error}). Use a method "
            "without gradients, such as occlusion or eigen-cam."
        ) from error
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert isinstance(module, torch.nn.Module)
    return module.eval()
