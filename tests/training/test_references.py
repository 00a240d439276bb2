"""What a trained network remembers of its photos, in its file and in every explanation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import ModelError
from seewhy.training.references import draw_references, remember
from seewhy.training.result import TrainingResult
from seewhy.zoo.keras_files import read_metadata, write_metadata

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def test_each_class_gives_as_many_references() -> None:
    classes = np.repeat([0, 1, 2], [1000, 300, 100])
    training = np.arange(50, 1400)
    drawn = draw_references(classes, training, seed=0)
    np.testing.assert_array_equal(np.bincount(classes[drawn]), [166, 166, 100])
    assert drawn.min() >= 50
    np.testing.assert_array_equal(drawn, draw_references(classes, training, seed=0))
    assert (drawn != draw_references(classes, training, seed=1)).any()


def test_too_few_held_out_photos_set_no_limit() -> None:
    pixels = np.zeros((40, 32, 32, 3), np.uint8)
    classes, training = np.repeat([0, 1], 20), np.arange(21, 40)
    found = remember(
        None, "last", pixels, classes, training=training, validation=np.arange(19), seed=0
    )
    assert found is None


def test_a_trained_network_knows_its_photos_from_others(
    trained: TrainingResult, folder: Path
) -> None:
    classifier = seewhy.load(trained.path)
    assert classifier.references is not None
    assert classifier.references.layer == "last_map"
    own = seewhy.explain(classifier, sorted((folder / "ring").iterdir())[:20], top=1)
    assert np.mean([one.familiar for one in own.familiarity]) >= 0.85
    other = seewhy.explain(classifier, skimage.data.astronaut(), top=1)
    assert not other.is_familiar()
    assert other.familiarity[0].similarity < min(one.similarity for one in own.familiarity)


def test_every_method_tells_the_same(trained: TrainingResult) -> None:
    classifier = seewhy.load(trained.path)
    photo = skimage.data.astronaut()
    found = [
        seewhy.explain(classifier, photo, method=method, top=1, layer=layer).familiarity[0]
        for method, layer in (
            ("cam", None),
            ("grad-cam", "block2_relu"),
            ("saliency", None),
            ("eigen-cam", None),
        )
    ]
    assert [one.similarity for one in found] == pytest.approx([found[0].similarity] * 4, abs=1e-5)


def test_json_pictures_and_words_say_so(
    trained: TrainingResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    photo = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    explanation = seewhy.explain(seewhy.load(trained.path), photo)
    row = explanation.as_dict()[0]["familiarity"]
    assert (row["familiar"], row["limit"]) == (False, round(explanation.familiarity[0].limit, 4))
    assert (
        explanation.photo_title()
        == "astronaut.png\nless like the training photos\nthan 95 % of held-out ones"
    )
    assert "(less like the training photos than 95 % of held-out ones)" in repr(explanation)
    model = ["--model", str(trained.path), "--out", str(tmp_path / "out")]
    assert main(["explain", str(photo), *model]) == 0
    remark = (
        "  less like the training photos than 95 % of held-out ones, whatever the probabilities"
    )
    assert f"{remark} say\n" in capsys.readouterr().out
    assert main(["locate", str(photo), *model]) == 0
    assert (
        "astronaut.png\tless like the training photos than 95 % of held-out ones\n"
        in capsys.readouterr().out
    )
    assert main(["locate", str(photo), *model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["familiarity"]["familiar"] is False


def test_a_network_that_remembers_nothing_says_nothing(trained: TrainingResult) -> None:
    model = seewhy.load(trained.path).network.model
    explanation = seewhy.explain(
        seewhy.Classifier(model, size=80, preprocess="none"), skimage.data.astronaut()
    )
    assert explanation.familiarity == ()
    assert explanation.is_familiar()
    assert explanation.as_dict()[0]["familiarity"] is None


def test_damaged_references_are_told(trained: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "damaged.keras"
    path.write_bytes(trained.path.read_bytes())
    metadata = read_metadata(path)
    metadata["references"]["vectors"] = "?"
    write_metadata(path, metadata)
    with pytest.raises(ModelError) as caught:
        seewhy.load(path)
    assert str(caught.value) == (
        f"The metadata of '{path}' are damaged: the features of the training photos cannot be "
        "read. Get the file again, or train again."
    )
