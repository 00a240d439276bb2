"""Maps of methods that look at the attention of a transformer.

Axes: n image, t target (class), h row, w column, c channel; p row and q column of patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seewhy.classifier import Classifier
from seewhy.explaining.capturing import ExplainedBatch
from seewhy.explaining.question import Question
from seewhy.methods import LAYERS
from seewhy.methods.base import Method, Needs
from seewhy.networks.base import Capture, Targets


def attention_maps(
    question: Question, method: Method, images: Float[ndarray, "n h w c"], batch: ExplainedBatch
) -> Float[ndarray, "n t p q"]:
    """Run a method that looks at attention, for every target; or once if it is for none.

    Differences of classes are explained as such, as most of these methods drop negative gradients.

    Raises:
        LayerError: the network has no attention of this kind.
    """
    settings = method.settings(question.options[method.name])
    keep = method.of_attention or (lambda attention: attention)
    look = partial(
        question.network.attentions,
        reduce=keep,
        last=looked_at(method, settings.get("layers")),
        output=question.output,
        of_blocks=Needs.BLOCK_SCORES in method.needs,
    )
    if batch.explained is not None and batch.explained.strength.any() and not method.class_free:
        return np.concatenate(
            [
                _maps(method, [look(image[None], target) for target in photo.targets()])
                for image, photo in zip(images, batch.of_photos(), strict=True)
                if photo is not None
            ]
        )
    targets: Targets | None = None
    if not method.class_free:
        targets = question.targets if batch.explained is None else batch.explained.classes
    return _maps(method, [look(images, targets)])


def looked_at(method: Method, layers: str | None) -> int | None:
    """Return how many of the last attentions a method looks at; None: all."""
    if layers is not None:
        return LAYERS[layers]
    return None if method.class_free or not method.attends else 1


def check_attends(classifier: Classifier, method: Method) -> None:
    """Refuse a network without the attention that a method looks at, at its defaults.

    Raises:
        LayerError: it has none; the message says what it has.
    """
    if method.attends:
        network = classifier.network
        black = np.zeros((1, *classifier.size, network.input_shape[2]), np.float32)
        last = looked_at(method, method.settings({}).get("layers"))
        of_blocks = Needs.BLOCK_SCORES in method.needs
        network.attentions(black, None, lambda attention: None, last=last, of_blocks=of_blocks)


def _maps(method: Method, captures: Sequence[Capture]) -> Float[ndarray, "n t p q"]:
    """Call a map once for each target."""
    attentions = [capture.attended for capture in captures if capture.attended is not None]
    maps = []
    for attended in attentions:
        read = {"read": attended.read} if Needs.READ in method.needs else {}
        for layers in attended.layers:
            values = method.function(attentions=layers, prefix=attended.prefix, **read)
            rows, columns = attended.grid
            maps.append(values[:, : rows * columns].reshape(len(values), rows, columns))
    return np.stack(maps, axis=1)
