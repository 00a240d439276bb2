"""What the page shows of a network's inside needs no gradients where CAM is exact."""

from __future__ import annotations

import numpy as np
import pytest

import seewhy
from seewhy.photos.reading import read_photo
from seewhy.progress import no_progress
from seewhy.serving.inner import Inner
from seewhy.serving.questions import PageQuestion


def test_contributions_of_a_cam_network_are_its_weights_and_load_no_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    classifier = seewhy.load("built-in")
    photo = read_photo(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("gradients were asked for")

    monkeypatch.setattr(type(classifier.network), "activations_and_gradients", refuse)
    answers, gradients = Inner(classifier)._captured(photo, classifier.layer, 3)
    maps = seewhy.explain(classifier, photo, method="cam", classes=[3]).maps[0, 0]
    np.testing.assert_allclose((answers * gradients).sum(axis=2), maps / maps.size, atol=1e-5)
    assert Inner(classifier).channels(photo, PageQuestion(), no_progress)
