"""The rows of a run: one per photo and explained class, and one for each photo that failed.

Axes: h row, w column of a map.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from seewhy.datasets.arrow import arrow
from seewhy.datasets.checked import BLANK_CHECKSUM, DAMAGED_FILE, with_checksum
from seewhy.datasets.storage import table_bytes
from seewhy.explaining.rows import COLUMNS, Row


def schema(map_size: tuple[int, int], number: str) -> Any:
    """Return the Arrow schema of rows whose maps are (h, w) of 'float16' or 'float32'."""
    pa = arrow()
    kinds = {
        **dict.fromkeys(("photo_id",), pa.int64()),
        **dict.fromkeys(
            ("width", "height", "label_index", "class_index", "map_height", "map_width"), pa.int32()
        ),
        "rank": pa.int16(),
        **dict.fromkeys(
            ("path", "label", "class_name", "kind", "status", "error_kind", "error"), pa.string()
        ),
        **dict.fromkeys(("correct", "empty", "familiar"), pa.bool_()),
        "rivals": pa.list_(pa.int32()),
        "strength": pa.float64(),
        "predictions": pa.list_(
            pa.struct({"index": pa.int32(), "score": pa.float32(), "probability": pa.float32()})
        ),
        "extras": pa.list_(
            pa.struct(
                {
                    "name": pa.string(),
                    "shape": pa.list_(pa.int32()),
                    "values": pa.list_(pa.float32()),
                }
            )
        ),
        "heatmap": pa.fixed_shape_tensor(getattr(pa, number)(), map_size),
        "descriptor": pa.list_(pa.float32()),
        "boxes": pa.list_(pa.list_(pa.int32(), 4)),
    }
    return pa.schema(
        [
            pa.field(name, kinds.get(name, pa.float32()), nullable=name not in _REQUIRED_COLUMNS)
            for name in COLUMNS
        ]
    )


_REQUIRED_COLUMNS = ("photo_id", "path", "status")


def shard_bytes(
    rows: Sequence[Row], map_size: tuple[int, int], number: str, footer: Mapping[str, Any]
) -> bytes:
    """Return rows as the bytes of a Parquet file, with `footer` in its metadata under 'seewhy'."""
    pa = arrow()
    described = schema(map_size, number)
    arrays = []
    for field in described:
        values = [getattr(row, field.name) for row in rows]
        if field.name == "heatmap":
            arrays.append(_tensors(values, field.type, number))
        elif field.name == "descriptor":
            arrays.append(pa.array([None if value is None else value.tolist() for value in values]))
        else:
            arrays.append(pa.array(values, field.type))
    arrays = [
        array if array.type == field.type else array.cast(field.type)
        for array, field in zip(arrays, described, strict=True)
    ]
    table = pa.Table.from_arrays(arrays, schema=described)
    described_by = {"check": BLANK_CHECKSUM.decode(), **footer}
    return with_checksum(
        table_bytes(
            table.replace_schema_metadata({"seewhy": json.dumps(described_by, sort_keys=True)})
        )
    )


PHOTO = (
    "photo_id", "path", "width", "height", "label", "label_index", "class_index", "class_name",
    "score", "probability", "correct", "label_probability", "familiar", "similarity", "status",
    "error_kind", "error",
)  # fmt: skip
"""The columns of a table of photos."""


def photos_of(rows: Any, labels: Sequence[str]) -> Any:
    """Return one row per photo of a shard's rows: its best class, and the true one's probability.

    Args:
        rows: an Arrow table with the rows of each photo in succession.
        labels: the names of the network's classes.
    """
    pa = arrow()
    ids = rows["photo_id"].to_numpy()
    photos = rows.take(np.unique(ids, return_index=True)[1])
    best = [
        predictions[0] if predictions else {} for predictions in photos["predictions"].to_pylist()
    ]
    true = {
        photo: probability
        for photo, kind, probability in zip(
            ids.tolist(), rows["kind"].to_pylist(), rows["probability"].to_pylist(), strict=True
        )
        if kind == "label"
    }
    indices = [prediction.get("index") for prediction in best]
    values = {
        "class_index": indices,
        "class_name": [None if index is None else labels[index] for index in indices],
        "score": [prediction.get("score") for prediction in best],
        "probability": [prediction.get("probability") for prediction in best],
        "label_probability": [true.get(photo) for photo in photos["photo_id"].to_pylist()],
    }
    kinds = {name: rows.schema.field(name).type for name in PHOTO if name in COLUMNS}
    kinds["label_probability"] = kinds["probability"]
    return pa.table({
        name: pa.array(values[name], kinds[name]) if name in values else photos[name]
        for name in PHOTO
    })  # fmt: skip


def _tensors(maps: Sequence[ndarray | None], kind: Any, number: str) -> Any:
    pa = arrow()
    h, w = kind.shape
    blank = np.zeros(h * w, number)
    values = [blank if heatmap is None else heatmap.astype(number).ravel() for heatmap in maps]
    flat = np.concatenate(values) if values else np.zeros(0, number)
    missing = pa.array([heatmap is None for heatmap in maps], pa.bool_())
    storage = pa.FixedSizeListArray.from_arrays(pa.array(flat), h * w, mask=missing)
    return pa.ExtensionArray.from_storage(kind, storage)


def read_footer(source: Any) -> tuple[dict[str, Any], int]:
    """Return what `shard_bytes` put into the metadata, and the count of rows.

    Args:
        source: the bytes of the file, or a path, of which only the end is read.

    Raises:
        ValueError: they are not those of a complete Parquet file of a run.
    """
    pa = arrow()
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        metadata = arrow("parquet").read_metadata(file)
        content = (metadata.metadata or {})[b"seewhy"]
        footer: dict[str, Any] = dict(json.loads(content))
    except (pa.ArrowException, *DAMAGED_FILE) as error:
        raise ValueError(f"the file does not belong to a run: {error}") from error
    return footer, int(metadata.num_rows)
