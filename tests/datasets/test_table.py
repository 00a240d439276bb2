"""The rows of a run: measured by hand, small on the disk, open to other tools."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from seewhy.datasets.table import read_footer, schema, shard_bytes
from seewhy.explaining.rows import COLUMNS, Row, descriptor, energies, map_columns
from seewhy.photos.photo import Placement


def test_an_even_map_has_its_areas_in_border_and_centre() -> None:
    for size in ((7, 7), (4, 6), (10, 3), (1, 1)):
        border, centre = energies(np.ones(size, np.float32))
        assert border == pytest.approx(0.36)
        assert centre == pytest.approx(0.25)


def test_heat_in_a_corner_is_in_the_border_and_heat_in_the_middle_is_not() -> None:
    corner = np.zeros((10, 10), np.float32)
    corner[0, 9] = 3
    assert energies(corner) == (1.0, 0.0)
    middle = np.zeros((10, 10), np.float32)
    middle[5, 5] = 3
    assert energies(middle) == (pytest.approx(0), pytest.approx(1))
    half = np.zeros((5, 5), np.float32)
    half[0, 2] = 2  # rows 0 to 0.2: half of it lies within 0.1 of the edge
    assert energies(half) == (pytest.approx(0.5), 0.0)


def test_negative_heat_and_nan_count_as_none() -> None:
    heat = np.full((10, 10), -1, np.float32)
    heat[0, 0] = np.nan
    assert energies(heat) == (None, None)
    heat[5, 5] = 1
    assert energies(heat) == (pytest.approx(0), pytest.approx(1))


def test_the_peak_is_the_centre_of_the_strongest_cell_in_the_photos_pixels() -> None:
    heat = np.zeros((4, 5), np.float32)
    heat[1, 3] = -2
    heat[0, 0] = 1
    placement = Placement((10.0, 20.0, 60.0, 60.0))  # 50 × 40 pixels: cells of 10 × 10
    found = map_columns(heat, placement, signed=False)
    assert (found["peak"], found["peak_x"], found["peak_y"]) == (1.0, 15.0, 25.0)
    found = map_columns(heat, placement, signed=True)
    assert (found["peak"], found["peak_x"], found["peak_y"]) == (2.0, 45.0, 35.0)
    empty = map_columns(np.zeros((4, 5), np.float32), placement, signed=False)
    assert empty["empty"]
    assert "peak" not in empty


def test_a_descriptor_is_the_mean_of_the_activations_weighed_by_the_positive_map() -> None:
    activations = np.zeros((2, 2, 3), np.float32)
    activations[0, 0], activations[1, 1] = (1, 2, 3), (5, 6, 7)
    heat = np.array([[3, -9], [np.nan, 1]], np.float32)
    np.testing.assert_allclose(descriptor(heat, activations), [2, 3, 4])  # (3 · 1 + 5) / 4 ...
    even = np.ones((8, 8), np.float32)
    np.testing.assert_allclose(descriptor(even, activations), [1.5, 2, 2.5], rtol=1e-6)
    assert descriptor(-even, activations) is None
    assert descriptor(even, activations[0, 0]) is None


def rows(count: int) -> list[Row]:
    random = np.random.default_rng(0)
    return [
        Row(
            photo_id=number // 3,
            path=f"/data/imagenet/val/n02123045/ILSVRC2012_val_{number // 3:08}.JPEG",
            width=500,
            height=375,
            label="tabby",
            label_index=281,
            rank=number % 3 + 1,
            class_index=int(random.integers(1000)),
            class_name="Egyptian cat",
            kind="predicted",
            score=float(random.random()),
            probability=float(random.random()),
            correct=True,
            peak=float(random.random()),
            peak_y=float(random.random()),
            peak_x=float(random.random()),
            energy_border=float(random.random()),
            energy_centre=float(random.random()),
            empty=False,
            seconds=0.01,
            heatmap=random.random((7, 7)).astype(np.float32),
            map_height=7,
            map_width=7,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("number", ["float32", "float16"])
def test_fifty_thousand_rows_take_at_most_thirty_megabytes(number: str) -> None:
    many = rows(50_000)
    size = sum(
        len(shard_bytes(many[start : start + 768], (7, 7), number, {}))
        for start in range(0, len(many), 768)
    )
    assert size <= 30e6


def test_what_is_written_is_read_back_and_failures_have_no_map() -> None:
    broken = Row(photo_id=9, path="x.jpg", status="failed", error_kind="unreadable", error="why")
    written = [*rows(2), broken]
    content = shard_bytes(written, (7, 7), "float32", {"rows": 3})
    footer, count = read_footer(content)
    assert (footer.pop("check") != "0" * 64, footer, count) == (True, {"rows": 3}, 3)
    table = pq.read_table(io.BytesIO(content))
    assert tuple(table.column_names) == COLUMNS
    assert table.schema.equals(schema((7, 7), "float32"))
    tensors = table["heatmap"].combine_chunks()
    assert tensors.null_count == 1
    found = tensors.slice(0, 2).to_numpy_ndarray()
    np.testing.assert_array_equal(found, np.stack([row.heatmap for row in rows(2)]))
    assert table["error"].to_pylist() == [None, None, "why"]


def test_a_file_that_is_cut_short_or_foreign_is_none_of_a_run() -> None:
    content = shard_bytes(rows(2), (7, 7), "float32", {})
    with pytest.raises(ValueError, match="Parquet"):
        read_footer(content[:-5])
    sink = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(content)).replace_schema_metadata({}), sink)
    with pytest.raises(ValueError, match="the file does not belong to a run"):
        read_footer(sink.getvalue())
