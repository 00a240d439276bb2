"""Bare networks of transformers: their scores, default layers, labels and preprocessing.

Axes: n image, h row, w column, c channel.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seewhy
from seewhy.errors import OptionError, SeewhyWarning, TargetError
from tests.networks.hugging_face import ARCHITECTURES, build
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
transformers = pytest.importorskip("transformers")

DOCS = Path(__file__).parents[2] / "docs" / "huggingface.md"


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def asked(model: Any, photo: np.ndarray) -> np.ndarray:
    """The scores of a photo that is scaled to −1 ... 1, by transformers alone."""
    images = torch.tensor(photo / 127.5 - 1, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.no_grad():
        return model(pixel_values=images).logits[0].numpy()


def rows_of_the_page() -> list[tuple[str, str, str]]:
    row = r"^\| ([^|]+?) \| `([^`]+)` \| ([^|]+?) \|"
    return re.findall(row, DOCS.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_scores_are_the_librarys_own_and_the_default_method_draws_a_map(name: str) -> None:
    model = build(name)
    photo = noise(128 if name == "LeViT" else 64)
    classifier = seewhy.Classifier(model, preprocess="tf", size=len(photo))
    explanation = seewhy.explain(classifier, photo, top=1)
    scores = {prediction.index: prediction.score for prediction in explanation.predictions[0]}
    own = asked(model, photo)
    assert next(iter(scores)) == explanation.targets[0][0].index == own.argmax()
    np.testing.assert_allclose([scores[index] for index in range(5)], own, atol=1e-5)
    assert classifier.layer == ARCHITECTURES[name][3]
    (title,) = (method for network, _, method in rows_of_the_page() if network == name)
    assert explanation.method == {"HiResCAM": "hires-cam"}.get(title, title.lower())
    assert np.isfinite(explanation.maps).all()
    assert explanation.maps.max() > 0


def test_the_table_of_the_docs_has_a_row_for_each_of_these_networks() -> None:
    assert {name: layer for name, layer, _ in rows_of_the_page()} == {
        name: row[3] for name, row in ARCHITECTURES.items()
    }


def test_the_names_of_the_classes_are_those_of_the_configuration() -> None:
    model = build("ViT", id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1}, num_labels=2)
    assert seewhy.Classifier(model, preprocess="tf").labels == ("cat", "dog")
    unnamed = seewhy.Classifier(build("ViT"), preprocess="tf")
    assert unnamed.labels[:2] == ("class 0", "class 1")
    assert not unnamed.has_labels


def test_a_processor_that_is_given_says_size_fit_and_range() -> None:
    processor = transformers.DeiTImageProcessor(
        size={"height": 80, "width": 80}, crop_size={"height": 64, "width": 64}
    )
    classifier = seewhy.Classifier(build("DeiT"), preprocess=processor)
    assert classifier.size == (64, 64)
    assert (classifier.fit.mode, classifier.fit.resize) == ("stretch-crop", 80)
    assert str(classifier.preprocessing) == "tf, known from its processor, DeiTImageProcessor"


def test_a_processor_in_the_folder_of_the_network_is_used(tmp_path: Path) -> None:
    build("ResNet").save_pretrained(tmp_path)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 64}).save_pretrained(tmp_path)
    model = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
    classifier = seewhy.Classifier(model.eval())
    assert (classifier.fit.size, classifier.fit.resize) == ((64, 64), 73)  # 64 / 0.875, truncated
    assert classifier.preprocess == "tf"


def test_without_a_processor_what_is_usual_for_the_kind_is_assumed_aloud() -> None:
    classifier = seewhy.Classifier(build("ViT"))
    words = (
        r"The preprocessing of 'ViTForImageClassification' was not given: tf, assumed: "
        r"transformers' default for 'vit', as no processor is beside it\. What is shown may be "
        r"wrong\. Give it, as preprocess='tf' or --preprocess tf; seewhy check explains\."
    )
    with pytest.warns(SeewhyWarning, match=words):
        seewhy.explain(classifier, noise(64))


def test_a_processor_of_another_network_is_refused() -> None:
    large = transformers.ViTImageProcessor(size={"height": 96, "width": 96})
    with pytest.raises(OptionError) as refused:
        seewhy.Classifier(build("ViT"), preprocess=large)
    assert str(refused.value) == (
        "ViTImageProcessor makes photos of 96×96 pixels, which 'ViTForImageClassification' does "
        "not take: it is the processor of another network. Give this one's own: preprocess=..."
    )
    colour = transformers.CLIPImageProcessor(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    )
    with pytest.raises(OptionError, match=r"^CLIPImageProcessor makes photos of 3 channels, which"):
        seewhy.Classifier(build("ViT", num_channels=1), preprocess=colour)


def test_a_network_without_classes_says_what_it_returns() -> None:
    config = transformers.ViTConfig(**ARCHITECTURES["ViT"][2])
    classifier = seewhy.Classifier(transformers.ViTModel(config).eval(), preprocess="tf")
    words = r"returns several outputs \(last_hidden_state, pooler_output\), and classes are"
    with pytest.raises(TargetError, match=words):
        seewhy.explain(classifier, noise(64), classes=[0])
