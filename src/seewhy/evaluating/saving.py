"""An evaluation as a Parquet file, which needs pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seewhy.errors import MissingFramework
from seewhy.files import written_whole


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write rows, one per photo and method, as Parquet, whole or not at all.

    Raises:
        MissingFramework: pyarrow is not installed.
        OutputError: the file cannot be written.
    """
    try:
        arrow, parquet = (
            importlib.import_module(module) for module in ("pyarrow", "pyarrow.parquet")
        )
    except ImportError as error:
        raise MissingFramework(
            "An evaluation is written as Parquet by pyarrow, which is not installed. Install it: "
            "pip install 'seewhy[data]', or write JSON."
        ) from error
    texts = ("photo", "class", "method")
    schema = arrow.schema(
        [(name, arrow.string() if name in texts else arrow.float64()) for name in rows[0]]
    )
    with written_whole(path) as beside:
        parquet.write_table(arrow.Table.from_pylist(list(rows), schema=schema), beside)
    return path
