"""Gradients of an ONNX network: the part after a layer becomes a PyTorch module, by onnx2torch.

Each part is proved before it is used: on two images it must give onnxruntime's own scores.

Axes: n image, t target, k class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import LayerError
from seewhy.networks.base import Head, Output
from seewhy.networks.checks import check_one_per_image
from seewhy.networks.onnx.graph import Graph
from seewhy.networks.onnx.session import as_module

AGREEMENT = 1e-3
"""How far a module's scores may be from onnxruntime's, as a share of the largest."""

OTHER_METHODS = "Use a method without gradients, such as occlusion or eigen-cam."


@dataclass(frozen=True, eq=False)
class Unit:
    """One channel of a layer, as its mean over the map.

    Attributes:
        tensor: the layer's.
        channels: (n), one for each image.
        axis: of the channels.
    """

    tensor: str
    channels: Int[ndarray, " n"]
    axis: int

    def of(self, raw: Any) -> Any:
        """Return the means (n, 1) from the layer's tensor."""
        import torch

        last = raw.movedim(self.axis, -1)
        means = last.reshape(len(last), -1, last.shape[-1]).mean(1)
        return means.gather(1, torch.from_numpy(self.channels.astype(np.int64))[:, None])


@dataclass(frozen=True, eq=False)
class Explained:
    """What is differentiated.

    Attributes:
        classes: (n, t); None for a callable or a unit.
        target: a callable on the tensor of scores, or None.
        output: "score", "probability" or "rest".
        head: how scores become probabilities.
        is_pair: whether one output z is the scores −z and z of two classes.
        unit: the tensor of a unit, and each image's channel; None: the scores are explained.
    """

    classes: Int[ndarray, "n t"] | None
    target: Callable[[Any], Any] | None
    output: Output
    head: Head
    is_pair: bool
    unit: Unit | None = None

    @property
    def end(self) -> str | None:
        """The tensor that is explained; None: the scores."""
        return None if self.unit is None else self.unit.tensor

    def of(self, raw: Any) -> Any:
        """Return the explained values (n, t) of a tensor of scores, or of a unit's layer."""
        import torch

        if self.unit is not None:
            return self.unit.of(raw)
        if self.target is not None:
            heads = {"softmax": lambda z: z.softmax(-1), "sigmoid": lambda z: z.sigmoid()}
            turn = heads.get(self.head) if self.output == "probability" else None
            value = torch.as_tensor(self.target(raw if turn is None else turn(raw)))
            check_one_per_image(tuple(value.shape), len(raw))
            return value.float()[:, None]
        is_sigmoid = self.head == "sigmoid"
        scores = raw.reshape(len(raw), -1).float()
        if self.is_pair:
            scores = torch.cat([-scores, scores], 1)
        explained = scores
        if self.output == "probability":
            explained = scores.sigmoid() if is_sigmoid else scores.softmax(1)
        elif self.output == "rest":
            rest = torch.nn.functional.logsigmoid(scores) if is_sigmoid else None
            explained = scores + (scores.log_softmax(1) if rest is None else rest)
        return explained.gather(1, torch.from_numpy(np.asarray(self.classes, np.int64)))


@dataclass(frozen=True, eq=False)
class Sample:
    """What two images give in onnxruntime, in the file's own axes."""

    image: ndarray
    start: ndarray
    end: ndarray


class Converted:
    """Parts of a graph as PyTorch modules, each made and proved once.

    Args:
        graph: the network's.
        one_by_one: whether its batch is always one image.
    """

    def __init__(self, graph: Graph, *, one_by_one: bool) -> None:
        self.graph, self.one_by_one = graph, one_by_one
        self._lock = RLock()
        self._parts: dict[tuple[str | None, str | None], tuple[Any, bool]] = {}

    def gradients(
        self,
        layer: str | None,
        start: Float[ndarray, "n ..."],
        image: Float[ndarray, "n ..."],
        explained: Explained,
        *,
        check: Callable[[], Sample],
    ) -> tuple[Float[ndarray, "n t ..."], Float[ndarray, "n t"]]:
        """Return the derivatives of the explained values by a layer, and the values.

        Args:
            layer: the tensor's name; None: the image.
            start: its values for n images, in the file's own axes.
            image: the images, likewise.
            explained: what is differentiated.
            check: runs two images in onnxruntime.

        Raises:
            LayerError: PyTorch or onnx2torch is missing, or the conversion is not right.
        """
        import torch

        is_itself = layer is not None and layer == explained.end
        part = None if is_itself else self._part(layer, explained.end, check)
        leaf = torch.from_numpy(np.array(start, np.float32)).requires_grad_()
        values = explained.of(leaf if part is None else self._run(part, leaf, image))
        gradients = []
        for column in range(values.shape[1]):
            again = column + 1 < values.shape[1]
            (gradient,) = torch.autograd.grad(values[:, column].sum(), leaf, retain_graph=again)
            gradients.append(gradient.numpy())
        return np.stack(gradients, axis=1), values.detach().numpy()

    def _part(
        self, layer: str | None, end: str | None, check: Callable[[], Sample]
    ) -> tuple[Any, bool]:
        with self._lock:
            if (layer, end) not in self._parts:
                self._parts[layer, end] = self._proved(layer, end, check())
            return self._parts[layer, end]

    def _proved(self, layer: str | None, end: str | None, sample: Sample) -> tuple[Any, bool]:
        import torch

        first = layer or self.graph.image.name
        content, with_image = self.graph.from_tensor(first, sample.start.shape[1:], end=end)
        part = as_module(content, name=self.graph.name), with_image
        with torch.no_grad():
            computed = self._run(part, torch.from_numpy(sample.start), sample.image).numpy()
        largest = float(np.abs(sample.end).max()) or 1.0
        same = computed.shape == sample.end.shape
        if not same or np.abs(computed - sample.end).max() > AGREEMENT * largest:
            raise LayerError(
                f"'{self.graph.name}' gives no gradients: onnx2torch's copy of it has other values "
                f"than onnxruntime. {OTHER_METHODS}"
            )
        return part

    def _run(self, part: tuple[Any, bool], start: Any, image: ndarray) -> Any:
        import torch

        module, with_image = part
        further = [torch.from_numpy(np.asarray(image, np.float32))] if with_image else []
        if not self.one_by_one:
            return module(*further, start)
        rows = (slice(row, row + 1) for row in range(len(start)))
        return torch.cat([module(*(array[row] for array in further), start[row]) for row in rows])
