"""Contrast: why one class rather than another.

Axes: n image, t explained value, r rival, m column of a capture, k class of the network, c channel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from seewhy.errors import LayerError, NotACamNetwork, OptionError, TargetError
from seewhy.methods import REFERENCES, STRENGTH
from seewhy.networks.base import Capture, Targets, Top
from seewhy.networks.checks import explained_classes

if TYPE_CHECKING:
    from seewhy.classifier import Classifier

SIMILAR = "similar"
"""The contrast with the classes that are most similar to the explained one."""


@dataclass(frozen=True, eq=False)
class Differences:
    """What is explained of a batch: differences of class scores.

        v[n, t] = y[n, classes[n, t]] − strength[t] · mean over r of y[n, rivals[n, t, r]]

    With `output="probability"`, y is the probability; a strength of 0 explains the class alone.

    Attributes:
        classes: c.
        rivals: the classes that each is contrasted with.
        strength: how much of the rivals' mean is subtracted.
    """

    classes: Int[ndarray, "n t"]
    rivals: Int[ndarray, "n t r"]
    strength: Float[ndarray, " t"]

    def is_all_of(self, columns: Int[ndarray, "n m"]) -> bool:
        """True where the columns are the explained classes themselves."""
        return not self.strength.any() and np.array_equal(columns, self.classes)

    def all_classes(self) -> Int[ndarray, "n m"]:
        """Return every class that occurs, the explained ones first; no two columns are the same."""
        contrasted = self.rivals[:, self.strength != 0]
        flat = contrasted.reshape(len(contrasted), contrasted.shape[1] * contrasted.shape[2])
        columns = np.concatenate([self.classes, flat], axis=1).T
        different = {column.tobytes(): column for column in columns}
        return np.stack(list(different.values()), axis=1)

    def combine(
        self, columns: Int[ndarray, "n m"], values: Float[ndarray, "n m ..."]
    ) -> Float[ndarray, "n t ..."]:
        """Return the differences of values, or of their gradients, one column for each class.

        Args:
            columns: the class of each column.
            values: scores, probabilities, gradients or weights of these classes.
        """

        def of(wanted: Int[ndarray, "n t"]) -> Any:
            places = (columns[:, None, :] == wanted[..., None]).argmax(axis=-1)
            return np.take_along_axis(
                values, places.reshape(*places.shape, *[1] * (values.ndim - 2)), axis=1
            )

        explained = of(self.classes)
        if not self.strength.any():
            return np.asarray(explained)
        against = sum(of(self.rivals[..., r]) for r in range(self.rivals.shape[2]))
        share = (self.strength / self.rivals.shape[2]).astype(np.float32)
        return np.asarray(
            explained - share.reshape(1, -1, *[1] * (values.ndim - 2)) * against, values.dtype
        )

    def of_outputs(self, outputs: Float[ndarray, "m k"]) -> Float[ndarray, "m t"]:
        """Return the differences for copies of one photo, from the values of every class."""
        (classes,), (rivals,) = self.classes, self.rivals
        if not self.strength.any():
            return outputs[:, classes]
        against = outputs[:, rivals].mean(axis=-1)
        return np.asarray(outputs[:, classes] - self.strength.astype(np.float32) * against)

    def of_photo(self, photo: int) -> Differences:
        """Return those of one photo."""
        part = slice(photo, photo + 1)
        return Differences(self.classes[part], self.rivals[part], self.strength)

    def repeat(self, copies: int) -> Differences:
        """Return those of one photo, for copies of it."""
        classes, rivals = (
            np.repeat(indices, copies, axis=0) for indices in (self.classes, self.rivals)
        )
        return Differences(classes, rivals, self.strength)

    def targets(self) -> list[Callable[[Any], Any]]:
        """Return the values of one photo as targets: functions of the network's output."""
        (classes,), (rivals,) = self.classes.tolist(), self.rivals.tolist()
        return [
            functools.partial(_difference, explained, tuple(against), float(strength))
            for explained, against, strength in zip(classes, rivals, self.strength, strict=True)
        ]


def _difference(index: int, rivals: tuple[int, ...], strength: float, output: Any) -> Any:
    """Return a class's score less its rivals' mean, of the framework's own tensor (n, k)."""
    value = _class_of(output, index)
    for rival in rivals if strength else ():
        value = value - strength / len(rivals) * _class_of(output, rival)
    return value


def _class_of(output: Any, index: int) -> Any:
    """Return a class's score; a network with one output z has the two classes −z and z."""
    if output.shape[1] == 1:
        return output[:, 0] if index else -output[:, 0]
    return output[:, index]


Answer = Callable[[Capture], Differences]
"""Says what is explained, once the network has answered."""


@dataclass(frozen=True)
class Against:
    """The contrast with classes that are the same for every photo and explained class.

    Attributes:
        rivals: their indices.
        strength: how much of their mean score is subtracted.
    """

    rivals: tuple[int, ...]
    strength: float = 1.0

    def ask(
        self, classifier: Classifier, images: Float[ndarray, "n h w c"], targets: Targets
    ) -> tuple[Any, Answer]:
        """Ask for the rivals too; the best classes are explained without them."""
        rivals = np.tile(np.array(self.rivals), (len(images), 1))
        known = classifier.network.classes or 0
        if not isinstance(targets, Top):
            differences = self._differences(np.asarray(targets))
            return differences.all_classes(), lambda _: differences
        count = min(targets.count, known - len(self.rivals))

        def answer(capture: Capture) -> Differences:
            assert capture.targets is not None
            best = capture.targets[:, : -len(self.rivals)].tolist()
            others = [[index for index in row if index not in self.rivals][:count] for row in best]
            return self._differences(np.array(others))

        return Top(min(targets.count + len(self.rivals), known), rivals), answer

    def _differences(self, classes: Int[ndarray, "n t"]) -> Differences:
        rivals = np.broadcast_to(np.array(self.rivals), (*classes.shape, len(self.rivals)))
        return Differences(classes, rivals, np.full(classes.shape[1], self.strength))


@dataclass(frozen=True)
class Similar:
    """The contrast with the classes that are most similar to the explained one (Finer-CAM).

    Attributes:
        count: how many.
        strength: γ, how much of their mean score is subtracted.
    """

    count: int = REFERENCES
    strength: float = STRENGTH

    def ask(
        self, classifier: Classifier, images: Float[ndarray, "n h w c"], targets: Targets
    ) -> tuple[Any, Answer]:
        """Find the best classes and those similar to them first: one more forward pass."""
        scores = classifier.network.scores(images)
        classes = explained_classes(targets, scores)
        assert classes is not None
        rivals = similar_classes(classifier, classes, scores, self.count)
        differences = Differences(classes, rivals, np.full(classes.shape[1], self.strength))
        return differences.all_classes(), lambda _: differences


@dataclass(frozen=True)
class FoundRatherThan:
    """A further value after the explained ones: a photo's best class rather than its true one.

    The true class is the last of those that are given for each photo.

    Attributes:
        others: what the explained classes themselves are contrasted with.
    """

    others: Against | Similar | None = None

    def ask(
        self, classifier: Classifier, images: Float[ndarray, "n h w c"], targets: Targets
    ) -> tuple[Any, Answer]:
        """Ask for what is explained anyway; a best class that is not has the value 0."""
        wanted: Any = targets
        read: Answer = _alone
        if self.others is not None:
            wanted, read = self.others.ask(classifier, images, targets)
        return wanted, lambda capture: self._further(read(capture), capture.scores)

    def _further(self, explained: Differences, scores: Any) -> Differences:
        best = scores.argmax(axis=1)[:, None]
        best = np.where(
            (explained.classes == best).any(1, keepdims=True), best, explained.classes[:, -1:]
        )
        many = max(1, explained.rivals.shape[2])
        rivals = np.empty((len(best), explained.classes.shape[1] + 1, many), np.int64)
        rivals[:] = explained.classes[:, -1:, None]
        if explained.rivals.shape[2]:
            rivals[:, :-1] = explained.rivals
        classes = np.concatenate([explained.classes, best], axis=1)
        return Differences(classes, rivals, np.append(explained.strength, 1.0))


Contrast = Against | Similar | FoundRatherThan
"""What the explained classes of photos are contrasted with."""


def alone(classes: Int[ndarray, "n t"]) -> Differences:
    """Return classes that are explained without a contrast."""
    return Differences(classes, np.zeros((*classes.shape, 0), np.int64), np.zeros(classes.shape[1]))


def _alone(capture: Capture) -> Differences:
    assert capture.targets is not None
    return alone(capture.targets)


def similar_classes(
    classifier: Classifier,
    classes: Int[ndarray, "n t"],
    scores: Float[ndarray, "n k"],
    count: int,
) -> Int[ndarray, "n t r"]:
    """Return the classes most similar to each explained one, the most similar first.

        similarity(c, d) = W[c] · W[d] / (|W[c]| · |W[d]|)

    W is the last linear layer, a row per class. Where the last map has a channel per class, so that
    nothing but pooling follows, W is the convolution that it comes from. Where neither is known
    (something else follows the last map), the classes with the nearest scores.

    Source:
        Zhang et al., *Finer-CAM*, CVPR 2025, section 3.3 (arXiv:2501.11309): the classifier's
        weights; the authors' code takes the nearest scores.
    """
    weights = _class_rows(classifier)
    if weights is None:
        distances = np.abs(scores[:, None, :] - np.take_along_axis(scores, classes, 1)[..., None])
    else:
        lengths = np.linalg.norm(weights, axis=1, keepdims=True)
        rows = weights / np.where(lengths > 0, lengths, 1)
        distances = -(rows[classes] @ rows.T)
    distances = distances.astype(np.float64)
    np.put_along_axis(distances, classes[..., None], np.inf, axis=-1)
    return np.argsort(distances, axis=-1, kind="stable")[..., : min(count, scores.shape[1] - 1)]


def _class_rows(classifier: Classifier) -> Float[ndarray, "k c"] | None:
    """Return a row of weights per class, by which classes are compared; None: not known."""
    try:
        weights = classifier.session.class_weights(classifier.layer).astype(np.float64)
    except NotACamNetwork:
        return None
    if (np.count_nonzero(weights, axis=1) > 1).any():
        return weights  # else each class has one channel of its own, which tells nothing of others
    names = [layer.name for layer in classifier.network.layers]
    last = names.index(classifier.layer) if classifier.layer in names else -1
    for name in reversed(names[: last + 1]):
        try:
            bank = classifier.network.filters(name)[-1]
        except LayerError:
            continue
        if bank.weights.shape[3] != len(weights):
            return None
        return bank.weights.reshape(-1, len(weights)).T.astype(np.float64)
    return None


def as_contrast(
    classifier: Classifier, contrast: Any, targets: Targets, *, class_free: bool = False
) -> Contrast | None:
    """Return the contrast that users give: a class, several, or "similar"; None: no contrast.

    Raises:
        TargetError: the target is a function, there is no other class, or a class is contrasted
            with itself, or no method looks at a class.
        UnknownClass: the network has no such class.
    """
    if contrast is None:
        return None
    check_contrast(targets, class_free=class_free)
    classes = classifier.network.classes or 0
    if classes < 2:
        raise TargetError(
            f"'{classifier.name}' has no two classes to contrast. Leave contrast=... out."
        )
    named: Sequence[Any] = contrast if isinstance(contrast, (list, tuple)) else [contrast]
    if list(named) == [SIMILAR] and SIMILAR not in classifier.labels:
        return Similar()
    rivals = tuple(dict.fromkeys(classifier.class_index(rival) for rival in named))
    explained = set() if isinstance(targets, Top) else set(np.unique(np.asarray(targets)).tolist())
    itself = [rival for rival in rivals if rival in explained]
    if itself:
        label = classifier.label(itself[0])
        raise TargetError(
            f"'{label}' is contrasted with itself. Give two different classes to classes=... and "
            "contrast=...."
        )
    if not 0 < len(rivals) < classes:
        raise TargetError(
            f"contrast={list(named)!r} names {len(rivals)} of the {classes} classes. Name at least "
            "one, and leave one to explain."
        )
    return Against(rivals)


def check_rest(output: str, target: Any, contrast: Any) -> None:
    """Refuse output="rest" where it means nothing: for a function, and for a difference.

    Raises:
        TargetError, OptionError: that is so.
    """
    if output != "rest":
        return
    if callable(target):
        raise TargetError(
            "output='rest' is defined for classes, and a target of your own is a function of "
            "the output. Leave output=... out."
        )
    if contrast is not None:
        raise OptionError(
            "The difference of two classes under output='rest' is twice that of their scores. "
            "Leave output=... out."
        )


def check_contrast(targets: Any, *, class_free: bool) -> None:
    """Refuse a contrast where no class is explained, whatever the network.

    Raises:
        TargetError: the target is a function, or no method looks at a class.
    """
    if class_free:
        raise TargetError(
            "The map is the same whatever the class, so there is nothing to contrast. Leave "
            "contrast=... out, or use a method that explains a class."
        )
    if callable(targets):
        raise TargetError(
            "contrast=... compares classes, and a target of your own is a function. Subtract two: "
            "targets.score(0) - targets.score(1)."
        )
