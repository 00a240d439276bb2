"""Which methods apply to a network: the others are left out of what runs several, and named."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from seewhy.classifier import Classifier
from seewhy.errors import LayerError, MissingFramework, ModelError, SeewhyWarning
from seewhy.explaining.attending import check_attends
from seewhy.methods.base import Method, Needs
from seewhy.networks.base import Top


def applicable(classifier: Classifier, table: Sequence[Method], layer: str) -> list[Method]:
    """Return the methods that apply to a network: others need its form, ReLUs, or attention.

    Those that need gradients are left out where the network has none.

    Args:
        classifier: the network.
        table: rows of METHODS.
        layer: the explained layer.

    Raises:
        ModelError, LayerError, MissingFramework: the only method does not apply; says why.

    Warns:
        SeewhyWarning: a method does not apply; the message says why.
    """
    methods = []
    for method in table:
        try:
            _try(classifier, method, layer)
        except (ModelError, LayerError, MissingFramework) as error:
            if len(table) == 1:
                raise
            warnings.warn(
                f"The method '{method.name}' is left out. {error}", SeewhyWarning, stacklevel=3
            )
            continue
        methods.append(method)
    return methods


def _try(classifier: Classifier, method: Method, layer: str) -> None:
    """Ask the network for what it may refuse."""
    shape = (1, *classifier.size, classifier.network.input_shape[2])
    if method.guided or (method.backward and not classifier.network.has_gradients):
        classifier.network.input_gradients(
            np.zeros(shape, np.float32), Top(1), guided=method.guided
        )
    if Needs.CLASS_WEIGHTS in method.needs:
        classifier.session.class_weights(layer)
    check_attends(classifier, method)
