"""Processors of transformers as seewhy's own steps: equal to what they themselves make of a photo.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy.errors import OptionError
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Photo
from seewhy.photos.preprocessing import preprocess_pixels
from seewhy.photos.processor import from_processor
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
transformers = pytest.importorskip("transformers")

SMALL = {"size": {"shortest_edge": 48}, "crop_size": {"height": 40, "width": 40}}
SQUARE = {"size": {"height": 48, "width": 48}}

PROCESSORS: list[tuple[str, str, dict[str, Any]]] = [
    ("vit", "ViT", SQUARE),
    ("deit", "DeiT", {**SQUARE, "crop_size": {"height": 41, "width": 41}}),
    ("clip", "CLIP", SMALL),
    ("siglip", "Siglip", SQUARE),
    ("beit", "Beit", SQUARE),
    ("bit", "Bit", SMALL),
    ("levit", "Levit", SMALL),
    ("pvt", "Pvt", SQUARE),
    ("convnext", "ConvNext", {"size": {"shortest_edge": 48}}),
    ("convnext", "ConvNext", {"size": {"shortest_edge": 384}}),
    ("poolformer", "PoolFormer", SMALL),
    ("segformer", "Segformer", SQUARE),
    ("mobilenet_v2", "MobileNetV2", SMALL),
    ("mobilevit", "MobileViT", {**SMALL, "crop_size": {"height": 64, "width": 64}}),
    ("efficientnet", "EfficientNet", {**SQUARE, "rescale_offset": True}),
    ("vit", "ViT", {**SQUARE, "do_rescale": False, "image_mean": [9.0] * 3, "resample": 0}),
    ("vit", "ViT", {**SQUARE, "do_normalize": False}),
]


def processor(folder: str, kind: str, settings: dict[str, Any], backend: str = "Pil") -> Any:
    part = "image_processing_pil" if backend else "image_processing"
    module = importlib.import_module(f"transformers.models.{folder}.{part}_{folder}")
    return getattr(module, f"{kind}ImageProcessor{backend}")(**settings)


def smooth(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (height // 7 + 2, width // 7 + 2, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def ours(own: Any, photo: np.ndarray) -> np.ndarray:
    preprocess, fit = from_processor(own)
    assert fit is not None
    pixels, _ = fit_photo(Photo(photo, "photo"), fit)
    return preprocess_pixels(pixels[None], preprocess, channels=3, network="network")


@pytest.mark.parametrize(("folder", "kind", "settings"), PROCESSORS)
def test_a_photo_becomes_what_the_processor_makes_of_it(
    folder: str, kind: str, settings: dict[str, Any]
) -> None:
    own = processor(folder, kind, settings)
    for size in ((75, 112), (112, 75), (30, 21), (48, 48)):
        photo = smooth(*size)
        expected = own(Image.fromarray(photo), return_tensors="np")["pixel_values"]
        np.testing.assert_allclose(ours(own, photo), np.moveaxis(expected, 1, -1), atol=1e-5)


def test_processors_on_torchvision_differ_by_the_rounding_of_the_resize() -> None:
    own = processor("vit", "ViT", SQUARE, backend="")
    photo = smooth(75, 112)
    expected = np.moveaxis(own(Image.fromarray(photo), return_tensors="np")["pixel_values"], 1, -1)
    assert np.abs(ours(own, photo) - expected).max() <= 1.001 / 127.5  # one grey value


def test_the_image_part_of_a_processor_of_images_and_text_is_used() -> None:
    class Both:
        image_processor = processor("vit", "ViT", SQUARE)

    assert from_processor(Both())[1] == Fit(size=(48, 48))


def test_what_prepares_no_images_or_more_than_scales_is_refused() -> None:
    with pytest.raises(OptionError) as refused:
        from_processor(transformers.PreTrainedTokenizerFast)
    assert str(refused.value) == (
        "type prepares no images. Give the processor of the network: "
        "AutoImageProcessor.from_pretrained(...)."
    )
    with pytest.raises(OptionError, match=r"^The settings of ViTImageProcessorPil are not those"):
        from_processor(processor("vit", "ViT", {"size": {"height": 40, "width": 50}, "crop_size":
            {"height": 20, "width": 20}, "do_center_crop": True}))  # fmt: skip
    with pytest.raises(OptionError, match=r"^ViTImageProcessorPil does more than resize, crop"):
        from_processor(processor("vit", "ViT", {**SQUARE, "image_std": [0.0] * 3}))
