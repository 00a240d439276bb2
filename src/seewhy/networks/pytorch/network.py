"""The verbs of `Network` on PyTorch's autograd: for plain modules, and for Keras on PyTorch.

Axes: n image, t target, h row, w column, c channel, k class, m copy of one image.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch.utils._pytree import tree_leaves

from seewhy.errors import ModelError
from seewhy.networks.adapter import Objective
from seewhy.networks.attending import See
from seewhy.networks.base import SCORES, Capture, Units
from seewhy.networks.checks import (
    check_ending,
    check_one_per_image,
    explained_classes,
    no_relu,
    not_on_the_way,
)
from seewhy.networks.onnx.writing import outputs_of
from seewhy.networks.pytorch.attention import AttentionWatcher
from seewhy.networks.pytorch.blocks import block_hooks
from seewhy.networks.pytorch.functions import BatchBroadcast, FunctionWatcher
from seewhy.networks.pytorch.layout import places_of
from seewhy.networks.pytorch.view import ForwardPass, TorchView, size_of, to_numpy
from seewhy.networks.pytorch.writing import WithMaps, write_onnx
from seewhy.networks.trying import NeedsCompany
from seewhy.networks.weights import WithCam


class TorchNetwork(TorchView):
    """A model whose tensors are PyTorch's."""

    @property
    def has_gradients(self) -> bool:
        """False for a module with int8 layers, through which PyTorch computes no gradients."""
        return not any(".quantized" in type(part).__module__ for part in self.model.modules())

    @cached_property
    def _spreads(self) -> dict[str, bool]:
        """By layer, whether `scores_from` may run the part before it for one image."""
        return {}

    # What an adapter does

    def _activations(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...]
    ) -> dict[str, Float[ndarray, "n ..."]]:
        with self._undisturbed(), torch.no_grad():
            seen = self._see(images, names, stop=SCORES not in names)
            return {
                name: to_numpy(self._class_scores(seen.before))
                if name == SCORES
                else self._channels_last(seen.caught[name], name, images)
                for name in names
            }

    def _scores_from(
        self, image: Float[ndarray, "1 h w c"], name: str, activations: Float[ndarray, "m ..."]
    ) -> Float[ndarray, "m k"]:
        """Compute what is before the layer for one image, and what is after it for m.

        Once per layer this is compared with what copies of the image give. Where it differs (a
        network that reads its batch size before the layer), copies are made.
        """
        with self._undisturbed(), torch.no_grad():
            if name not in self._spreads:
                try:
                    self._spreads[name] = self._is_spreadable(image, name)
                except NeedsCompany:
                    self._spreads[name] = False
            spreads, count = self._spreads[name], len(activations)
            if not spreads and count == 1 and not self.mixes_images:
                activations = np.repeat(activations, 2, axis=0)
            return self._replaced(image, name, activations, copies=not spreads)[:count]

    # Explained values and their gradients

    def _capture(
        self, images: Float[ndarray, "n h w c"], names: tuple[str, ...], objective: Objective
    ) -> Capture:
        targets = objective.targets
        unit = targets.layer if isinstance(targets, Units) else None
        if names and not self.has_gradients:
            raise ModelError(
                f"'{self.name}' has int8 layers, through which PyTorch computes no gradients. Use "
                "a method that needs none, such as occlusion, rise, score-cam or ablation-cam, or "
                "the network as it was before it was quantized."
            )
        with self._undisturbed():
            seen = self._see(
                images,
                names if unit is None else (*names, unit),
                differentiable=True,
                guided=objective.guided,
                stop=unit is not None,
            )
            if objective.guided and seen.watch is not None and not seen.watch.relus:
                raise no_relu(self.name, seen.watch.activations)
            scores = None if unit is not None else self._class_scores(seen.before)
            classes = explained_classes(targets, None if scores is None else to_numpy(scores))
            values = self._values(seen, scores, classes, objective, images)
            gradients = self._gradients(values, {name: seen.caught[name] for name in names}, images)
        return Capture(
            scores=None if scores is None else to_numpy(scores),
            targets=classes,
            values=to_numpy(values),
            activations={
                name: self._channels_last(seen.caught[name], name, images) for name in names
            },
            gradients=gradients,
        )

    def _values(
        self,
        seen: ForwardPass,
        scores: torch.Tensor | None,
        classes: Int[ndarray, "n t"] | None,
        objective: Objective,
        images: Float[ndarray, "n h w c"],
    ) -> torch.Tensor:
        """Return what is explained, (n, t), float32."""
        targets, output = objective.targets, objective.output
        if isinstance(targets, Units):
            unit = seen.caught[targets.layer]
            means = places_of(unit, self._layout(targets.layer, size_of(images))).mean(1)
            picked = torch.from_numpy(targets.channels.astype(np.int64))[:, None]
            return means.gather(1, picked.to(means.device))
        if classes is None:
            assert callable(targets)
            value = targets(seen.before if output == "score" else seen.output)
            check_one_per_image(tuple(getattr(value, "shape", ())), len(images))
            value = torch.as_tensor(value)
            return value.float()[:, None]
        assert scores is not None
        explained = scores
        if output == "probability":
            explained = scores.sigmoid() if self.head == "sigmoid" else scores.softmax(1)
        if output == "rest":
            log = torch.nn.functional.logsigmoid(scores)
            explained = scores + (log if self.head == "sigmoid" else scores.log_softmax(1))
        return explained.gather(1, torch.from_numpy(classes.astype(np.int64)).to(scores.device))

    def _gradients(
        self,
        values: torch.Tensor,
        caught: Mapping[str, torch.Tensor],
        images: Float[ndarray, "n h w c"],
    ) -> dict[str, Float[ndarray, "n t ..."]]:
        """Return the gradients of every column of the values by what was caught."""
        if not caught:
            return {}
        if not values.requires_grad:
            raise not_on_the_way(self.name, next(iter(caught)))
        count = values.shape[1]
        gradients: dict[str, ndarray] = {}
        for t in range(count):
            slopes = torch.autograd.grad(
                values[:, t].sum(),
                list(caught.values()),
                retain_graph=t + 1 < count,
                allow_unused=True,
            )
            for name, slope in zip(caught, slopes, strict=True):
                if slope is None:
                    raise not_on_the_way(self.name, name)
                array = self._channels_last(slope, name, images)
                if name not in gradients:
                    gradients[name] = np.empty((len(array), count, *array.shape[1:]), np.float32)
                gradients[name][:, t] = array
        return gradients

    # Attention

    def _attend(
        self,
        images: Float[ndarray, "n h w c"],
        calls: Collection[int] | None,
        objective: Objective | None,
        see: See,
        *,
        of_blocks: bool = False,
    ) -> Capture:
        self._is_watched(differentiable=True)  # a trial pass of its own is not to be seen
        device = self._tensor(images[:1]).device
        watcher = AttentionWatcher(
            len(images), calls, see, differentiable=objective is not None, device=device
        )
        hooks = block_hooks(self, images, calls or ()) if of_blocks else {}
        times = len(hooks) or 1
        with self._undisturbed():
            with self._hooked(hooks), watcher:
                seen = self._see(images, (), differentiable=objective is not None)
            scored = self._class_scores(seen.before)
            scores = None if scored is None else to_numpy(scored[-len(images) :])
            if objective is None or watcher.tap is None:
                return Capture(scores=scores, values=np.zeros((len(images), 0), np.float32))
            classes = explained_classes(objective.targets, scores)
            every = None if classes is None else np.tile(classes, (times, 1))
            copies = np.repeat(images, times, axis=0)
            values = self._values(seen, scored, every, objective, copies)
            for t in range(values.shape[1]):
                watcher.target = t
                if values.requires_grad:
                    torch.autograd.grad(
                        values[:, t].sum(),
                        watcher.tap,
                        retain_graph=t + 1 < values.shape[1],
                        allow_unused=True,
                    )
        return Capture(scores=scores, targets=classes, values=to_numpy(values[-len(images) :]))

    # Ablation-CAM

    def _is_spreadable(self, image: Float[ndarray, "1 h w c"], name: str) -> bool:
        """True if one image before a layer and m activations after it give the right scores."""
        seen = self._see(image, [name, SCORES])
        own = self._channels_last(seen.caught[name], name, image)
        scores = to_numpy(self._class_scores(seen.before))
        if not np.isfinite(scores).all():
            return False
        try:
            replaced = self._replaced(image, name, np.repeat(own, 2, axis=0), copies=False)
        except RuntimeError:  # two batch sizes met where PyTorch does not broadcast
            return False
        return replaced.shape == (2, scores.shape[1]) and bool(
            np.allclose(replaced, scores, rtol=0, atol=self._tolerance() * _spread(scores))
        )

    def _replaced(
        self,
        image: Float[ndarray, "1 h w c"],
        name: str,
        activations: Float[ndarray, "m ..."],
        *,
        copies: bool,
    ) -> Float[ndarray, "rows k"]:
        """Run the model with a layer's output replaced; a row each, where all went well."""
        spread = BatchBroadcast()

        def replace(inputs: Any, output: torch.Tensor) -> torch.Tensor:
            spread.is_on = not copies
            own = output[:1]
            replacing = self._native(activations, own, name, image)
            return torch.from_numpy(replacing).to(output.device, output.dtype)

        images = np.repeat(image, len(activations), axis=0) if copies else image
        tensor = self._tensor(images)
        watch = FunctionWatcher()
        with self._hooked({name: replace}), spread, watch:
            before, _ = watch.before_activation(self._ask(tensor))
        return to_numpy(self._class_scores(before))

    # Written

    def with_cam(self, layer: Any, path: Path) -> WithCam:
        """Write an ONNX file whose last output are CAM's maps of all classes."""
        check_ending(self.name, path, ".onnx")
        (name,) = self._names([layer])
        weights = self.class_weights(name)
        images = self._noise()
        with self._undisturbed():
            module = WithMaps(
                self.model,
                lambda hooks, images: self._forward(hooks, guided=False)(images),
                layer=name,
                layout=self._layout(name, size_of(images)),
                weights=weights,
            )
            given = self._tensor(images)
            outputs = len(self._own(images))
            write_onnx(module.eval().to(given.device), given, path, outputs=outputs, name=self.name)
        return WithCam(
            outputs_of(path.read_bytes(), self._given, name=str(path), axes="nchw"), self._own
        )

    def _given(self, images: Float[ndarray, "n h w c"]) -> ndarray:
        return np.asarray(self._tensor(images).cpu())

    def _own(self, images: Float[ndarray, "n h w c"]) -> list[ndarray]:
        """Return what the model itself returns."""
        with self._undisturbed(), torch.no_grad():
            output = self._ask(self._tensor(images))
        leaves = tree_leaves(output)
        return [to_numpy(tensor) for tensor in leaves if isinstance(tensor, torch.Tensor)]


def _spread(scores: ndarray) -> float:
    return float(np.abs(scores).max()) or 1.0
