"""The settings of a run over a data set: its table, its rows, its work."""

from __future__ import annotations

from seewhy.settings import Setting

COLUMN = Setting("column", "text", "path", "the column of paths in a table")
BATCH_SIZE = Setting("batch_size", "integer", 8, "photos per batch", (1, 100_000))
SHARD_SIZE = Setting("shard_size", "integer", 256, "photos per file", (1, None))
MAPS = Setting(
    "maps", "choice", "float32", "precision of the maps in the files", ("float32", "float16")
)
WORKERS = Setting("workers", "integer", 0, "worker processes; 0: only this one", (0, 1024))
WORKER_TIMEOUT = Setting(
    "worker_timeout",
    "integer",
    900,
    "seconds without any progress after which a worker is killed, and the photo at which it hangs "
    "is a failed one; loading the network counts too",
    (1, 1_000_000),
)
GPUS = Setting("gpus", "number", 0.0, "GPUs per Ray worker", (0, 1024))

DATA = (
    Setting(
        "true_labels",
        "text",
        None,
        "'folders': the name of each photo's folder; or a column of the table",
        metavar="WHERE",
    ),
    COLUMN,
)
ROWS = (
    Setting("boxes", "boolean", False, "add boxes around the heat"),
    Setting(
        "descriptors",
        "boolean",
        False,
        "add the layer's activations averaged under each map, for clustering",
    ),
    MAPS,
)
WORK = (
    WORKERS,
    WORKER_TIMEOUT,
    GPUS,
    BATCH_SIZE,
    SHARD_SIZE,
    Setting("retry_failed", "boolean", False, "retry photos that failed before"),
)
"""`ray` is a setting of its own: true, or an address."""
