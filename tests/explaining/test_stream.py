"""The stream: what `explain` says, batch after batch, and a photo that fails is an item."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.errors import OptionError, PhotoError, TargetError, UnknownMethod
from seewhy.explaining.request import Request
from seewhy.explaining.stream import stream_request
from tests.linear_network import LinearNetwork

LABELS = ["red", "green", "blue"]


class Choking(LinearNetwork):
    """Returns NaN for photos that are all white."""

    def maps(self, images: np.ndarray) -> np.ndarray:
        found = super().maps(images)
        images = images.copy()
        if (images.min(axis=(1, 2, 3)) == 1).any():
            from seewhy.errors import NotFinite

            raise NotFinite("'linear' returned NaN.")
        return found


def classifier(network: LinearNetwork | None = None) -> seewhy.Classifier:
    return seewhy.Classifier(network or LinearNetwork(), preprocess="unit", labels=LABELS)


def photos(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (count, 16, 24, 3), np.uint8))


@pytest.mark.parametrize("method", ["cam", "grad-cam", "occlusion", "eigen-cam"])
def test_the_stream_says_what_explain_says(method: str) -> None:
    many = photos(7)
    whole = seewhy.explain(classifier(), many, method=method, batch_size=3)
    items = list(seewhy.stream(classifier(), many, method=method, batch_size=3))
    parts = [item for item in items if isinstance(item, seewhy.Explanation)]
    assert [len(part) for part in parts] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([part.maps for part in parts]), whole.maps)
    labels = [[one.label for one in row] for part in parts for row in part.targets]
    assert labels == [[one.label for one in row] for row in whole.targets]
    assert sum((part.predictions for part in parts), ()) == whole.predictions
    assert parts[0].placements == whole.placements[:3]


def test_photos_that_fail_are_items_and_the_others_go_on(tmp_path: Path) -> None:
    for number, pixels in enumerate(photos(5)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"no photo")
    Image.fromarray(np.full((16, 24, 3), 255, np.uint8)).save(tmp_path / "3.png")
    items = list(seewhy.stream(classifier(Choking()), tmp_path, batch_size=8))
    failed = [item for item in items if isinstance(item, seewhy.PhotoFailure)]
    names = [photo.name for item in items if item not in failed for photo in item.photos]
    assert names == ["0.png", "1.png", "4.png"]
    assert [Path(item.name).name for item in failed] == ["2.png", "3.png"]
    assert "is not an image in a format that seewhy reads" in failed[0].reason
    assert failed[1].reason == "'linear' returned NaN."


def test_classes_of_each_photo_stay_with_it_where_others_fail(tmp_path: Path) -> None:
    for number, pixels in enumerate(photos(4)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"")
    wanted = [["red"], ["green"], ["blue"], ["green"]]
    items = list(seewhy.stream(classifier(), tmp_path, classes=wanted, batch_size=2))
    found = [
        row[0].label
        for item in items
        if isinstance(item, seewhy.Explanation)
        for row in item.targets
    ]
    assert found == ["red", "blue", "green"]


def test_wrong_options_are_told_before_the_first_item() -> None:
    for error, settings in (
        (UnknownMethod, {"method": "no-cam"}),
        (TargetError, {"top": 1, "classes": ["red"]}),
        (OptionError, {"method": "grad-cam", "patch": 3}),
        (OptionError, {"batch_size": 0}),
    ):
        with pytest.raises(error):
            seewhy.stream(classifier(), photos(1), **settings)
    with pytest.raises(PhotoError, match=r"No photo was given\."):
        seewhy.stream(classifier(), [])


def test_progress_counts_photos_and_ends_at_their_number() -> None:
    told: list[tuple[int, int]] = []
    items = seewhy.stream(
        classifier(), photos(5), batch_size=2, progress=lambda *now: told.append(now)
    )
    assert len(list(items)) == 3
    assert told[-1] == (5, 5)
    assert told == sorted(told)


def test_several_methods_share_a_pass() -> None:
    network = LinearNetwork()
    request = Request.of(methods=["grad-cam", "layer-cam"], batch_size=2)
    items = stream_request(request, classifier(network), photos(4))
    assert [sorted(item) for item in items if isinstance(item, dict)] == [
        ["grad-cam", "layer-cam"]
    ] * 2
    assert network.passes == [2, 2]


def test_large_photos_make_small_batches_and_memory_stays_bounded(tmp_path: Path) -> None:
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    for number in range(12):
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png", compress_level=1)
    asked = classifier()
    tracemalloc.start()
    sizes = [len(item) for item in seewhy.stream(asked, tmp_path, top=1)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) == 12
    assert max(sizes) == 4  # 36 MB each, and a batch is closed past 134 MB
    assert peak < 700e6


def test_a_page_of_a_large_photo_is_drawn_from_a_small_one_and_shows_the_same() -> None:
    from seewhy.explaining.drawing import draw_targets
    from seewhy.explaining.sizing import sized
    from seewhy.photos.photo import Photo
    from seewhy.rendering.style import DEFAULT_STYLE

    ramp = np.linspace(0, 255, 2000, dtype=np.uint8)
    pixels = np.stack([np.tile(ramp, (1500, 1))] * 3, axis=-1)
    explanation = seewhy.explain(classifier(), pixels, top=2)
    small = sized(explanation, 0)
    assert small.photos[0].pixels.shape == (384, 512, 3)
    large = draw_targets(explanation, 0, DEFAULT_STYLE)[0]
    picture = draw_targets(small, 0, DEFAULT_STYLE)[0].astype(int)
    wanted = np.asarray(Image.fromarray(large).resize((512, 384), Image.Resampling.BOX)).astype(int)
    assert np.abs(picture - wanted).mean() < 2
    assert np.percentile(np.abs(picture - wanted), 99) < 12
    usual = Photo(np.zeros((330, 500, 3), np.uint8))
    assert sized(seewhy.explain(classifier(), usual, top=1), 0).photos[0] is usual


@pytest.mark.parametrize("size", [(40, 60), (900, 1300)])
def test_a_stream_that_keeps_previews_only_explains_and_draws_the_same(
    size: tuple[int, int], tmp_path: Path
) -> None:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), np.uint8)
        image = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(tmp_path / f"{number}.png")

    def items(keep_pixels: bool) -> list[seewhy.Explanation]:
        request = Request.of(method="cam", top=2)
        found = stream_request(request, classifier(), tmp_path, keep_pixels=keep_pixels)
        return [item["cam"] for item in found if isinstance(item, dict)]

    (kept,), (dropped,) = items(True), items(False)
    np.testing.assert_array_equal(dropped.maps, kept.maps)
    assert dropped.as_dict() == kept.as_dict()
    assert dropped.placements == kept.placements
    for photo in range(3):
        assert dropped.photos[photo].pixels.shape == (*size, 3)
        assert dropped.photos[photo].nbytes < 700_000 < max(kept.photos[photo].nbytes, 700_001)
        np.testing.assert_array_equal(dropped.picture(photo), kept.picture(photo))
        heat = [one.heatmap(photo, 1) for one in (dropped, kept)]
        np.testing.assert_array_equal(*heat)
