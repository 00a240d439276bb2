"""Keras on TensorFlow: one `tf.function` for each question, traced once for all batch sizes.

Axes: n image, t target, q explained value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from numpy import ndarray

from seewhy.errors import SeewhyError
from seewhy.incremental import Engine
from seewhy.incremental.cost import RATES
from seewhy.networks.checks import not_on_the_way
from seewhy.networks.execution import check_capability, check_processor
from seewhy.networks.keras.fast.kernels import TensorFlowKernels
from seewhy.networks.keras.fast.narrowing import Place, exact_places
from seewhy.networks.keras.network import KerasNetwork
from seewhy.networks.keras.private import backend
from seewhy.networks.keras.request import Request
from seewhy.networks.keras.structure import FAILURES
from seewhy.networks.trying import NeedsCompany

_UNROLLED_TARGETS = 16
"""Up to so many backward passes stand side by side in the graph; more run in a loop."""

_REWRITING = tf.compat.v1.ConfigProto()
_REWRITING.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1
_REWRITE = _REWRITING.SerializeToString()
"""Options of one call, whatever the options of the process: float32 becomes bfloat16, where that is
faster on a processor. That is a sixth faster than casts around the layers (ResNet50)."""


class KerasTensorFlow(KerasNetwork):
    """A Keras model on the TensorFlow backend."""

    framework = "tensorflow"
    functions = (backend.nn, tf.nn)

    _batch: int | None = None

    @property
    def mixes_images(self) -> bool:
        """True too where the model runs with a fixed number of images only: twice the same."""
        return self._batch is not None or super().mixes_images

    def compile(self, request: Request) -> Callable[..., Mapping[str, ndarray]]:
        """Trace the graph that answers a request; weights are read when it runs.

        A model that squeezes tensors of an unknown number of images gets two at a time.
        """
        try:
            function = self._traced(request)
        except FAILURES as error:
            if isinstance(error, SeewhyError) or self._batch is not None:
                raise
            self._batch = 2
            try:
                self._traced(request)
            except FAILURES:
                self._batch = None
                raise error from None
            self._needs_company = True
            raise NeedsCompany from error
        if self._execution.precision == "bfloat16" and not _has_gpu():
            function = _rewritten(function)

        def run(*arrays: ndarray) -> Mapping[str, ndarray]:
            tensors = function(*(tf.convert_to_tensor(array) for array in arrays))
            return {name: tensor.numpy() for name, tensor in tensors.items()}

        return run

    def _traced(self, request: Request) -> Any:
        return tf.function(
            lambda *arrays: self._trace(request, *arrays),
            input_signature=self._signature(request),
            autograph=False,
        ).get_concrete_function()

    def guided(self, relu: Callable[[Any], Any], ceiling: float | None) -> Callable[[Any], Any]:
        """Return a ReLU with the guided rule on its backward pass."""

        def guided(x: Any) -> Any:
            y = relu(x)
            passes = y > 0 if ceiling is None else (y > 0) & (y < ceiling)

            def backward(gradient: Any) -> Any:
                return tf.where(passes & (gradient > 0), gradient, tf.zeros_like(gradient))

            return y, backward

        rule: Callable[[Any], Any] = tf.custom_gradient(guided)
        return rule

    def engine(self, size: tuple[int, int]) -> Engine:
        """Return an engine that re-runs the model where a patch changed its input."""
        return Engine(self.graph(size), TensorFlowKernels, rates=RATES["tensorflow"])

    def _narrowing_places(self) -> list[Place]:
        if _has_gpu():
            places: list[Place] = super()._narrowing_places()
            return places
        return exact_places(self.operations, self.layers)

    def _check_units(self) -> None:
        if not _has_gpu():
            check_processor()
        for gpu in tf.config.list_physical_devices("GPU"):
            details = tf.config.experimental.get_device_details(gpu)
            check_capability(details.get("compute_capability"), details.get("device_name", "GPU"))

    def _signature(self, request: Request) -> list[Any]:
        image = (*request.size, self.input_shape[2])
        if request.replaced is not None:
            shape, _ = self.structure().outputs[request.replaced]
            return [tf.TensorSpec((1, *image)), tf.TensorSpec((self._batch, *shape[1:]))]
        further = []
        if request.kind == "classes" or request.also:
            further = [tf.TensorSpec((self._batch, request.also or request.count), tf.int32)]
        elif request.kind == "unit":
            further = [tf.TensorSpec((self._batch,), tf.int32)]
        return [tf.TensorSpec((self._batch, *image)), *further]

    def _trace(self, request: Request, images: Any, *further: Any) -> dict[str, Any]:
        zeros: dict[str, Any] = {}
        # Nothing is watched but the zeros; the scope keeps losses and states of this run away.
        with (
            keras.StatelessScope(),
            tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape,
        ):

            def keep(name: str, output: Any) -> Any:
                if request.kind == "none":
                    return output
                zeros[name] = tf.zeros_like(output)
                tape.watch(zeros[name])
                return output + zeros[name]

            tensors = self.show(request, images, further, keep)

        def backward(weights: Any) -> dict[str, Any]:
            slopes = tape.gradient(tensors.values, zeros, output_gradients=weights)
            for name, slope in slopes.items():
                if slope is None:
                    raise not_on_the_way(self.name, name)
            return {name: tf.cast(slope, tf.float32) for name, slope in slopes.items()}

        if not zeros:
            return tensors.results({})
        targets = tensors.weights.shape[1]
        if targets <= _UNROLLED_TARGETS:
            each = [backward(tensors.weights[:, t]) for t in range(targets)]
            slopes = {
                name: tf.stack([slope_by_layer[name] for slope_by_layer in each], axis=1)
                for name in zeros
            }
        else:
            specs = {name: tf.TensorSpec(zero.shape, tf.float32) for name, zero in zeros.items()}
            looped = tf.map_fn(
                backward,
                tf.transpose(tensors.weights, (1, 0, 2)),
                fn_output_signature=specs,
                parallel_iterations=1,
            )
            slopes = {name: tf.experimental.numpy.swapaxes(looped[name], 0, 1) for name in zeros}
        return tensors.results(slopes)


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _rewritten(function: Any) -> Callable[..., Any]:
    """Return a traced function that runs with its graph rewritten to bfloat16."""

    def run(*arrays: Any) -> Any:
        tensors = tf.raw_ops.StatefulPartitionedCall(
            args=[*arrays, *function.captured_inputs],
            Tout=[output.dtype for output in function.outputs],
            f=function,
            config_proto=_REWRITE,
        )
        return tf.nest.pack_sequence_as(function.structured_outputs, tensors)

    return run
