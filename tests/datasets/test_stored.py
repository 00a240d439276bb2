"""What a run gives back is what `explain` gives: pictures, flags, provenance, numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seewhy
from seewhy.classifier.familiarity import pooled_features, reference_features
from seewhy.methods import METHODS
from seewhy.networks.base import SCORES
from seewhy.photos.reading import read_photo
from seewhy.rendering.style import Style
from tests.datasets.made import LABELS, Fragile, classifier, save_photos

SMALL: dict[str, dict[str, Any]] = {
    "rise": {"masks": 20},
    "smooth-grad": {"samples": 3},
    "integrated-gradients": {"steps": 2},
    "occlusion": {"patch": (2, 4), "stride": 2},
}

FLAGS = ("method", "layer", "model", "signed", "pixel_level", "blue_first", "from_minimum")


def assert_alike(stored: seewhy.Explanation, direct: seewhy.Explanation) -> None:
    np.testing.assert_array_equal(stored.maps, direct.maps)
    for name in FLAGS:
        assert getattr(stored, name) == getattr(direct, name), name
    assert stored.request.as_dict() == direct.request.as_dict()
    assert stored.provenance is not None
    assert direct.provenance is not None
    assert stored.provenance.as_dict() == direct.provenance.as_dict()
    assert stored.as_dict() == direct.as_dict()
    assert stored.title() == direct.title()
    for style in (Style(), Style(interpolation="cubic", scale="photo")):
        np.testing.assert_array_equal(stored.picture(style=style), direct.picture(style=style))


@pytest.mark.parametrize("method", [one for one in METHODS if not METHODS[one].attends])
def test_what_is_stored_is_what_was_explained(method: str, tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 3)
    asked: dict[str, Any] = {"method": method, "batch_size": 4, **SMALL.get(method, {})}
    run = seewhy.batch(classifier(), paths, tmp_path / "run", shard_size=4, **asked)
    direct = seewhy.explain(classifier(), paths, **asked)
    items = list(seewhy.read_run(run.folder.place))
    assert len(items) == 3
    for place, stored in enumerate(items):
        assert isinstance(stored, seewhy.Explanation)
        assert_alike(stored, direct.only(place))


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "occlusion", "patch": [2, 4], "stride": 2},
        {"method": "occlusion", "patch": [2, 3], "classes": ["green", 2]},
        {"method": "grad-cam", "contrast": "red", "classes": ["green", "blue"]},
        {"method": "hires-cam", "contrast": "similar", "top": 1},
        {"method": "grad-cam", "zoom": 2, "output": "probability"},
        {"method": "integrated-gradients", "steps": 2, "baseline": 0.5},
        {"layer": "maps", "top": 1},
    ],
)
def test_so_it_is_for_other_questions(asked: dict[str, Any], tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 2)
    run = seewhy.batch(classifier(), paths, tmp_path / "run", shard_size=8, **asked)
    direct = seewhy.explain(classifier(), paths, batch_size=8, **asked)
    for place, stored in enumerate(run):
        assert isinstance(stored, seewhy.Explanation)
        assert_alike(stored, direct.only(place))


def test_so_it_is_where_the_network_knows_its_training_photos(tmp_path: Path) -> None:
    paths = save_photos(tmp_path / "photos", 4)
    plain = classifier()
    pixels, _ = plain.fit_photos([read_photo(path) for path in paths])
    given = plain.network.activations(plain.to_input(pixels), ["maps", SCORES])
    features = pooled_features(given["maps"])
    references = reference_features(
        features[[0, 1] * 3],
        features[:3],
        layer="maps",
        classes=np.repeat([0, 1, 2], 2),
        found=given[SCORES].argmax(axis=1)[:3],
        neighbours=1,
    )
    asked = seewhy.Classifier(
        Fragile(), labels=LABELS, preprocess="unit", references=references, fit="crop:10"
    )
    run = seewhy.batch(asked, paths, tmp_path / "run", top=1)
    direct = seewhy.explain(asked, paths, top=1, batch_size=8)
    assert len(direct.familiarity) == 4
    for place, stored in enumerate(run):
        assert isinstance(stored, seewhy.Explanation)
        assert stored.photo_title() == direct.photo_title(place)
        assert_alike(stored, direct.only(place))
