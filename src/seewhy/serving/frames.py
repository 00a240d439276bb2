"""What the server sends: frames of JSON, each followed by its arrays as raw bytes.

    frame = length of the header (4 bytes, little-endian) | header (JSON) | arrays, in order

The header's 'arrays' lists each array's name, shape and type ('float32' or 'uint8'). A response is
one frame or a stream of them: progress, then a result or an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.files import in_one_direction

TYPES = {"f": "<f4", "u": "u1"}


def frame(header: Mapping[str, Any], arrays: Mapping[str, ndarray] | None = None) -> bytes:
    """Return one frame.

    Args:
        header: ready for JSON; NaN and infinity are not.
        arrays: floats go as float32, unsigned integers as uint8.
    """
    packed = {
        name: np.ascontiguousarray(array, dtype=TYPES[array.dtype.kind])
        for name, array in (arrays or {}).items()
    }
    listed = [
        {"name": name, "shape": list(array.shape), "type": array.dtype.name}
        for name, array in packed.items()
    ]
    text = json.dumps({**header, "arrays": listed}, allow_nan=False)  # ASCII: any name is sent
    head = in_one_direction(text).encode()
    return b"".join(
        [len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in packed.values())]
    )
