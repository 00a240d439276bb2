"""Photos, and networks in plain numpy that start fast and misbehave when a photo tells them to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import seewhy
from seewhy.errors import NotFinite
from seewhy.networks.base import Capture, Top
from tests.linear_network import LinearNetwork

LABELS = ["red", "green", "blue"]
KILLS, CHOKES, HANGS = (255, 0, 255), (255, 255, 0), (0, 255, 255)
"""Photos all of one colour: the first kills the process, the second makes NaN, the third hangs."""

NAME = "python:tests.datasets.made:fragile"
SETTINGS = {"labels": LABELS, "preprocess": "unit"}


class Fragile(LinearNetwork):
    """The linear network, slowed down by SEEWHY_TEST_DELAY seconds a batch."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        time.sleep(float(os.environ.get("SEEWHY_TEST_DELAY", "0")))
        for image in images:
            if (image == np.float32(KILLS) / 255).all():
                os.kill(os.getpid(), signal.SIGKILL)
            if (image == np.float32(HANGS) / 255).all():
                time.sleep(3600)
            if (image == np.float32(CHOKES) / 255).all():
                raise NotFinite("'linear' returned NaN.")
        return super().scores(images)

    def activations_and_gradients(
        self, images: np.ndarray, layers: Any, targets: Any, *, output: str = "score"
    ) -> Capture:
        if isinstance(targets, Top) and targets.also is not None:
            best = np.argsort(-super().scores(images), axis=1, kind="stable")[:, : targets.count]
            targets = np.concatenate([best, targets.also], axis=1)
        return super().activations_and_gradients(images, layers, targets, output=output)


def fragile() -> Fragile:
    """Build it; each time is a line in the file SEEWHY_TEST_LOADS, if that is given."""
    if "SEEWHY_TEST_LOADS" in os.environ:
        with Path(os.environ["SEEWHY_TEST_LOADS"]).open("a") as stream:
            stream.write(f"{os.getpid()}\n")
    return Fragile()


def sleeping() -> Fragile:
    time.sleep(3600)
    return Fragile()


class Squaring(Fragile):
    """Other scores of the same weights."""

    def scores(self, images: np.ndarray) -> np.ndarray:
        return super().scores(images) ** 2


def squaring() -> Squaring:
    return Squaring()


def classifier() -> seewhy.Classifier:
    return seewhy.Classifier(Fragile(), **SETTINGS)  # type: ignore[arg-type]


def save_photos(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """Save photos of noise, none like another, in numbered files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = random.integers(0, 250, (16, 24, 3), np.uint8)
        paths.append(folder / f"{number:04}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def paint(path: Path, colour: tuple[int, int, int]) -> None:
    Image.fromarray(np.full((16, 24, 3), colour, np.uint8)).save(path)
