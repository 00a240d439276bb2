"""Small networks in `.keras` files for numpy: read as data, without Keras."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.files import parse_json
from seewhy.networks import adapt
from seewhy.networks.base import Network
from seewhy.networks.plain.network import PlainNetwork
from seewhy.networks.plain.reading import UnknownKind, read_model
from seewhy.zoo.archives import (
    DAMAGED_ARCHIVE,
    first_line,
    member_text,
    opened_archive,
    refuse_endless_heaps,
)
from seewhy.zoo.backend import is_keras_installed
from seewhy.zoo.keras2_weights import snake_case
from seewhy.zoo.keras_files import load_keras_file

WEIGHTS = "model.weights.h5"


def load_plainly(path: Path, *, name: str) -> Any:
    """Load a network for numpy where that knows its layers, else for Keras.

    Raises:
        ModelError: the file is damaged, is not a model, or contains code.
        MissingFramework: the network needs Keras, which is not installed.
    """
    try:
        return load_plain(path, name=name)
    except UnknownKind:
        return load_keras_file(path)


def load_plain(path: Path, *, name: str) -> PlainNetwork:
    """Load a network of a few known kinds of layer; what numpy lacks, Keras does with the file.

    Args:
        path: of a `.keras` file.
        name: of the network, in messages.

    Raises:
        UnknownKind: it has other layers.
        ModelError: the file is damaged.
    """
    try:
        refuse_endless_heaps(path)
        with opened_archive(path) as archive:
            config = parse_json(member_text(archive, "config.json"))
            content = archive.read(WEIGHTS)
        model = read_model(config, _weights(config, content))
    except UnknownKind:
        raise
    except (*DAMAGED_ARCHIVE, TypeError, IndexError, AttributeError) as error:
        raise ModelError(
            f"'{path}' is damaged: {first_line(error)} Copy or download it again."
        ) from error

    def twin() -> Network:
        return adapt(load_keras_file(path), name=name)

    return PlainNetwork(model, name=name, twin=twin, has_gradients=is_keras_installed())


def _weights(config: Mapping[str, Any], content: bytes) -> dict[str, Sequence[ndarray]]:
    """Return each layer's weights from Keras's own HDF5 file, which numbers layers by their kind.

    The third Conv2D is `layers/conv2d_2`.
    """
    import h5py

    counts: Counter[str] = Counter()
    weights: dict[str, Sequence[ndarray]] = {}
    with h5py.File(io.BytesIO(content), "r") as file:
        for entry in config["config"]["layers"]:
            kind = snake_case(entry["class_name"])
            group = f"layers/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")
            counts[kind] += 1
            stored = file.get(f"{group}/vars", {})
            if any(dataset.nbytes > len(content) for dataset in stored.values()):
                raise ValueError(f"{group} claims more weights than the file contains.")
            weights[entry["config"]["name"]] = [
                stored[str(number)][()] for number in range(len(stored))
            ]
    return weights
