"""The verb `attentions`, as far as no framework is needed: what is wanted, tried and refused.

Whether an attention is between the photo's tokens, and not between channels, within windows or
over pooled places, is told by its shape and by trial: patches of a trial image that are changed
must show in the values at their places.

Axes: n image, h row, w column, c channel; of attention h head, q query, k key, e channel.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import AttendedLayers, Attention, Grid, Reduce
from seewhy.errors import LayerError, ModelError
from seewhy.networks.adapter import Adapter, Objective
from seewhy.networks.base import Capture, Layer, Output, Targets, Top
from seewhy.networks.cells import shows_patches, trial_images, tried
from seewhy.networks.checks import check_finite, check_images
from seewhy.networks.trying import ask

See = Callable[[int, int, Attention], None]
"""Takes the number of an attention, that of the target, and the attention."""

_IMAGES_AT_ONCE = 2
"""Trial images at a time."""


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One attention of a forward pass, as trial images have shown it.

    Attributes:
        number: among all of the pass, from 0.
        shape: of its weights: (h, q, k).
        grid: where its keys are in the photo; None where they are not the photo's tokens.
        windows: True where the batch holds several windows, or parts, of each image.
        read: (q) which queries what is explained depends on; None: it does not depend on it.
    """

    number: int
    shape: tuple[int, ...]
    grid: Grid | None = None
    windows: bool = False
    read: Float[ndarray, " q"] | None = None

    @property
    def why_not(self) -> str:
        """Say what its keys are, where they are not the photo's tokens."""
        keys = self.shape[-1]
        if self.windows:
            return f"is within windows, or parts, of {keys} places each"
        return f"is over {keys} channels or pooled places and not over the photo's tokens"


def call_of(
    number: int,
    shape: tuple[int, ...],
    values: Float[ndarray, "m h k e"] | None,
    grids: Mapping[int, Sequence[Grid]],
    known: dict[tuple[int, ...], Grid],
) -> AttentionCall:
    """Return what an attention is between.

    Args:
        number: among all of the pass.
        shape: of its weights, for the m trial images of `seewhy.networks.cells.tried`.
        values: what it mixes, of these images; None where they are not known.
        grids: those that the network's layers have, by how many tokens they have.
        known: by the shape of what is mixed, what earlier attentions were between; added to.
            Deep in a network tokens are so mixed that changed patches may show everywhere.
    """
    for (rows, columns), prefix in grids.get(shape[-1], ()):
        if values is None:
            return AttentionCall(number, shape, ((rows, columns), prefix))
        tokens = values.transpose(0, 2, 1, 3)[:, prefix:]
        if shows_patches(tokens.reshape(len(tokens), rows, columns, -1)):
            known.setdefault(values.shape, ((rows, columns), prefix))
            break
    return AttentionCall(number, shape, None if values is None else known.get(values.shape))


def token_grids(layers: Iterable[tuple[Layer, int]]) -> dict[int, list[Grid]]:
    """Return the grids of a network, by how many tokens they have.

    Args:
        layers: those with rows and columns, and how many tokens stand before them.
    """
    grids_by_length: dict[int, list[Grid]] = {}
    for layer, prefix in layers:
        rows, columns = layer.shape[:2]
        grids = grids_by_length.setdefault(prefix + rows * columns, [])
        if ((rows, columns), prefix) not in grids:
            grids.append(((rows, columns), prefix))
    return grids_by_length


def chosen_calls(
    network: str, calls: Sequence[AttentionCall], last: int | None
) -> Sequence[AttentionCall]:
    """Return the attentions that a method looks at.

    Args:
        network: its name, for messages.
        calls: all that what is explained depends on.
        last: how many of the last; None: all of them.

    Raises:
        LayerError: there are none, or they are not between the same tokens of the photo.
    """
    if not calls:
        raise LayerError(
            f"'{network}' has no attention, which this method shows: it is no transformer, or "
            "computes its attention in a way of its own. Use 'grad-cam', which explains any network"
        )
    chosen = calls[-last:] if last else calls
    bad = next((call for call in reversed(chosen) if call.grid is None), None)
    if bad is not None:
        raise LayerError(
            f"Attention number {bad.number + 1} of '{network}' {bad.why_not}, so this method "
            "has no map of it. Use 'grad-cam', which explains any network"
        )
    keys = {call.shape[-1] for call in chosen} | {call.shape[-2] for call in chosen[:-1]}
    if len(keys) > 1:
        raise LayerError(
            f"The attentions of '{network}' are between different tokens ("
            f"{', '.join(map(str, sorted(keys)))}), and cannot be multiplied through all layers. "
            "Use a method that looks at the last one, such as 'chefer', or 'grad-cam'"
        )
    return chosen


def read_queries(gradients: Float[ndarray, "n h q k"]) -> Float[ndarray, " q"] | None:
    """Return which queries have gradients, as shares that add up to 1; None where none has."""
    is_read = np.abs(gradients).max(axis=(0, 1, 3)) > 0
    return np.asarray(is_read / is_read.sum()) if is_read.any() else None


def assumed_queries(call: AttentionCall) -> Float[ndarray, " q"]:
    """Return the first query where a class token may stand there, else all in equal parts."""
    queries = call.shape[-2]
    if call.grid is not None and call.grid[1] and queries > 1:
        return np.asarray(np.eye(queries)[0])
    return np.full(queries, 1 / queries)


class AttendingAdapter(Adapter):
    """An adapter that shows the attention of its model."""

    @abstractmethod
    def _attend(
        self,
        images: Float[ndarray, "n h w c"],
        calls: Collection[int] | None,
        objective: Objective | None,
        see: See,
        *,
        of_blocks: bool = False,
    ) -> Capture:
        """Run the model once and show its attentions; once backward for each target.

        Args:
            images: of the question.
            calls: the numbers of those that are wanted; None: all.
            objective: what is explained; None: nothing, and the attentions have no gradients.
            see: called with each.
            of_blocks: whether each gradient is that of the score of the block's own output.
        """

    @abstractmethod
    def _token_grids(self, size: tuple[int, int]) -> Mapping[int, Sequence[Grid]]:
        """Return the grids of the layers, by how many tokens they have, in images of a size."""

    def attentions(
        self,
        images: Float[ndarray, "n h w c"],
        targets: Targets | None,
        reduce: Reduce,
        *,
        last: int | None = None,
        output: Output = "score",
        of_blocks: bool = False,
    ) -> Capture:
        """Return what `reduce` keeps of attentions, from one forward pass: see `Network`."""
        check_images(self.name, images, self.input_shape)
        if targets is not None:
            self._check_targets(targets, len(images))
        height, width = images.shape[1:3]
        calls = chosen_calls(self.name, self._attention_calls((height, width)), last)
        reduced: dict[tuple[int, int], Any] = {}

        def see(call: int, target: int, attention: Attention) -> None:
            reduced[target, call] = reduce(attention.of_first(len(images)))

        numbers = [call.number for call in calls]

        if self.mixes_images and len(images) > 1:
            raise ModelError(
                f"'{self.name}' changes a photo's scores with the photos beside it, and attention "
                "is shown of one at a time. Give batch_size=1."
            )
        capture = ask(
            self,
            images,
            targets,
            lambda some, wanted: self._attend(
                some,
                numbers,
                None if wanted is None else Objective(wanted, output),
                see,
                of_blocks=of_blocks,
            ),
        )
        check_finite(self.name, {"scores": capture.scores, "explained values": capture.values})
        grid, prefix = calls[-1].grid or ((0, 0), 0)
        read = calls[-1].read
        attended = AttendedLayers(
            layers=[
                [reduced[target, number] for number in numbers]
                for target in sorted({target for target, _ in reduced})
            ],
            read=assumed_queries(calls[-1]) if read is None else read,
            grid=grid,
            prefix=prefix,
        )
        return replace(capture, attended=attended)

    @cached_property
    def _calls_by_size(self) -> dict[tuple[int, int], Sequence[AttentionCall]]:
        return {}

    def _attention_calls(self, size: tuple[int, int]) -> Sequence[AttentionCall]:
        """Return the attentions that the scores depend on; all, where they depend on none."""
        if size not in self._calls_by_size:
            calls: Sequence[AttentionCall] = self._try_attention(size)
            if calls:
                calls = self._that_are_read(calls, size)
            self._calls_by_size[size] = calls
        return self._calls_by_size[size]

    def _try_attention(self, size: tuple[int, int]) -> list[AttentionCall]:
        """Run the trial images, and tell of each attention what it is between."""
        grids = self._token_grids(size)
        images = tried(*trial_images((*size, self.input_shape[2])))
        windows: dict[int, bool] = {}
        shapes: dict[int, tuple[int, ...]] = {}
        values: dict[int, list[ndarray | None]] = {}

        def see(call: int, _: int, attention: Attention) -> None:
            windows[call] = len(attention.weights) != _IMAGES_AT_ONCE
            shapes[call] = attention.weights.shape[1:]
            values.setdefault(call, []).append(attention.values)

        for start in range(0, len(images), _IMAGES_AT_ONCE):
            some = images[start : start + _IMAGES_AT_ONCE]
            some = np.repeat(some, _IMAGES_AT_ONCE // len(some), axis=0)
            self._attend(some, None, None, see)
        calls = []
        known: dict[tuple[int, ...], Grid] = {}
        for call, shape in sorted(shapes.items()):
            mixed = [value for value in values[call] if value is not None]
            if windows[call]:
                calls.append(AttentionCall(call, shape, windows=True))
            elif len(mixed) < len(values[call]):
                calls.append(call_of(call, shape, None, grids, known))
            else:
                joined = np.concatenate(mixed)[: len(images)]
                calls.append(call_of(call, shape, joined, grids, known))
        return calls

    def _that_are_read(
        self, calls: Sequence[AttentionCall], size: tuple[int, int]
    ) -> Sequence[AttentionCall]:
        """Return the attentions that the best score depends on, with the queries that are read."""
        read: dict[int, ndarray | None] = {}

        def see(call: int, _: int, attention: Attention) -> None:
            assert attention.gradients is not None
            read[call] = read_queries(attention.gradients)

        if self.classes is not None:
            numbers = [call.number for call in calls]
            noise = self._noise(size)
            self._attend(noise, numbers, Objective(Top(1)), see)
        reached = [
            replace(call, read=read[call.number])
            for call in calls
            if read.get(call.number) is not None
        ]
        return reached or calls
