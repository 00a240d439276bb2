"""PyTorch's files of weights from before 2020, read as data: without PyTorch, and without code."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy import ndarray

from seewhy.errors import ModelError
from seewhy.zoo.torch_files import DAMAGED_FILE

MAGIC = 0x1950A86A20F9469CFC6C
"""What such a file begins with."""

TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Weights(pickle.Unpickler):
    """Reads ordered tables of tensors; any other name in the file is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.pending: dict[str, list[ndarray]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no tensor")

    def persistent_load(self, pid: Any) -> ndarray:
        _, kind, key, _, count, _ = pid
        if not isinstance(kind, np.dtype) or not 0 <= count < 2**28:
            raise pickle.UnpicklingError(f"{key} is no storage of numbers")
        storage = np.zeros(count, kind)
        self.pending.setdefault(key, []).append(storage)
        return storage

    def _tensor(self, storage: ndarray, offset: int, shape: Any, strides: Any, *_: Any) -> ndarray:
        steps = [storage.itemsize * stride for stride in strides]
        return ndarray(tuple(shape), storage.dtype, storage, offset * storage.itemsize, steps)


def read_old_weights(path: Path) -> Mapping[str, ndarray]:
    """Return the tensors of a state dict by name, in the file's order.

    Raises:
        ModelError: the file is damaged, or contains something else.
    """
    try:
        with path.open("rb") as file:
            if _Weights(file).load() != MAGIC:
                raise ValueError("it does not begin as such a file")
            for _ in range(2):  # the version, and the machine that wrote it
                _Weights(file).load()
            reader = _Weights(file)
            state = reader.load()
            for key in _Weights(file).load():
                (count,) = struct.unpack("<q", file.read(8))
                for storage in reader.pending[key]:
                    if count != storage.size:
                        raise ValueError(f"{key} has another length")
                    storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
            return dict(state)
    except (*DAMAGED_FILE, pickle.UnpicklingError) as error:
        raise ModelError(f"'{path}' is damaged: {error}. Install its package again.") from error
