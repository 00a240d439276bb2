"""How often the preprocessing that is inferred from a network is the one that it was trained with.

    python benchmarks/preprocessing.py                 a few minutes on two cores
    python benchmarks/preprocessing.py --draws 30

The networks: those with real weights (MobileNet and SqueezeNet of ImageNet, a network of
emotions), the built-in one, five small ones that are trained here, one with each mode, and some
with random weights. Each is asked again and again with other photos, 1, 4 or 8 of them, which the
networks were not trained on, beside the samples that are always there. What is known by names or
settings is not used. Then each mode is given in turn: wrong ones should be doubted, the right one
not.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SEEWHY_TEST_DATA", "no-test-data"))
COUNTS = (1, 4, 8)
SIDE = 72


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=6, help="of photos, of each count")
    args = parser.parse_args()
    if not (DATA / "photos").is_dir():
        print(f"{DATA} holds no photos")
        return 1
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")
    photos = read(sorted((DATA / "photos").glob("*.jpg")))
    photos += read(sorted((DATA / "boxes" / "coco128").glob("*.jpg"))[:40])
    print(
        f"{'network':26}{'trained with':>13}{'right':>7}{'unclear':>8}{'wrong':>6}"
        f"{'  distance':>11}{'next':>7}   doubted of the wrong, of the right"
    )
    totals = np.zeros(3, int)
    for name, right, classifier in networks():
        counts, distances = asked(classifier, right, photos, args.draws)
        totals += counts if right else 0
        wrong, own = doubted(classifier, right, photos[:1]) if right else ("", "")
        print(
            f"{name:26}{right or 'nothing':>13}{counts[0]:7}{counts[1]:8}{counts[2]:6}"
            f"{distances[0]:11.2f}{distances[1]:7.2f}   {wrong:>10}{own:>12}",
            flush=True,
        )
    print(f"trained networks: {totals[0]} right, {totals[1]} unclear, {totals[2]} wrong")
    return 0


def read(paths: Sequence[Path]) -> list[Any]:
    from seewhy.photos.reading import read_photo

    return [read_photo(path) for path in paths]


def asked(
    classifier: Any, right: str | None, photos: list[Any], draws: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Count the answers that are right, unclear and wrong; and the mean distances."""
    from seewhy.classifier.infer import infer
    from seewhy.photos.samples import sample_photos

    random = np.random.default_rng(0)
    counts = np.zeros(3, int)
    distances = []
    for count in COUNTS:
        for _ in range(draws):
            drawn = [photos[i] for i in random.choice(len(photos), count, replace=False)]
            pixels, _ = classifier._fitted([*drawn, *sample_photos()])
            evidence = infer(classifier.network, pixels)
            place = 1 if evidence.choice is None else 0 if evidence.choice == right else 2
            counts[place] += 1
            if evidence.kind != "normalization":  # such networks are asked about samples only
                return counts, (np.nan, np.nan)
            if evidence.kind == "normalization":
                others = [value for mode, value in evidence.values.items() if mode != right]
                distances.append((evidence.values.get(right or "", np.nan), min(others)))
    means = np.mean(distances, axis=0) if distances else (np.nan, np.nan)
    return counts, (float(means[0]), float(means[1]))


def doubted(classifier: Any, right: str, photos: list[Any]) -> tuple[str, str]:
    """Give each mode in turn, and return how many of the wrong ones are doubted, and the right."""
    import seewhy
    from seewhy.classifier.infer import candidates

    found = {}
    for mode in candidates(classifier.network.input_shape[2]):
        given = seewhy.Classifier(
            classifier.network, size=classifier.size, fit=classifier.fit.mode, preprocess=mode
        )
        found[mode] = bool(given.find_preprocessing(photos, aloud=False).doubt)
    own = found.pop(right)
    return f"{sum(found.values())} of {len(found)}", f"{int(own)} of 1"


def networks() -> Iterator[tuple[str, str | None, Any]]:
    """Yield each network's name, the mode that it was trained with, and its classifier."""
    import keras
    import torch

    import seewhy
    from seewhy.photos.preprocessing import MODES
    from tests.incremental.test_real_networks import SqueezeNet, squeezenet

    files = DATA / "networks"
    yield "MobileNet", "tf", seewhy.load(files / "mobilenet_0.75_224.keras")
    yield "emotions", "tf", seewhy.load(files / "fer2013_mini_XCEPTION.102-0.66.hdf5")
    yield "built-in", "none", seewhy.load("built-in")
    real = squeezenet(files / "squeezenet_v1.0.npz")
    yield "SqueezeNet, no memory", "caffe", seewhy.Classifier(real, size=227, fit="crop")
    pixels, labels = animals()
    for mode in MODES:
        model = trained(mode, pixels, labels)
        yield f"trained here, {mode}", mode, seewhy.Classifier(model, size=SIDE)
    torch.manual_seed(0)
    yield "random, batch norm", None, seewhy.Classifier(small(0), size=SIDE)
    yield "random, SqueezeNet", None, seewhy.Classifier(SqueezeNet().eval(), size=227)
    keras.utils.set_random_seed(0)
    fresh = keras.applications.VGG16(weights=None, input_shape=(64, 64, 3), classes=5)
    yield "random, VGG16", None, seewhy.Classifier(fresh)


def animals(each: int = 300) -> tuple[np.ndarray, np.ndarray]:
    from PIL import Image

    pixels, labels = [], []
    for label, kind in enumerate(("cat", "dog", "panda")):
        for path in sorted((DATA / "animals" / kind).glob("*.jpg"))[:each]:
            with Image.open(path) as photo:
                pixels.append(np.asarray(photo.convert("RGB").resize((SIDE, SIDE))))
            labels.append(label)
    return np.stack(pixels), np.array(labels)


def small(seed: int) -> Any:
    """Return a small network with batch normalization and random weights."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers: list[Any] = []
    for inputs, outputs, stride in ((3, 16, 2), (16, 32, 2), (32, 64, 2)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
        layers += [nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3)).eval()


def trained(mode: str, pixels: np.ndarray, labels: np.ndarray, epochs: int = 3) -> Any:
    """Return the small network, trained on photos in one mode."""
    import torch
    from torch import nn

    from seewhy.photos.preprocessing import MODES

    model = small(len(mode)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    random = np.random.default_rng(0)
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(pixels)), len(pixels) // 32):
            images = MODES[mode](pixels[batch].astype(np.float32)).transpose(0, 3, 1, 2)
            scores = model(torch.from_numpy(np.ascontiguousarray(images)))
            loss = nn.functional.cross_entropy(scores, torch.from_numpy(labels[batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


if __name__ == "__main__":
    sys.exit(main())
