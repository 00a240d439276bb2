"""Would a network's answers alone show that a given preprocessing is wrong?

    python benchmarks/doubts.py --networks FOLDER [--keep FOLDER]

FOLDER has further real networks; those that are missing are left out. Every network answers 40
photos of two origins, as they are, mirrored and shifted, under each mode; --keep stores the scores.
Then some photos are drawn again and again. Printed: how often the right mode is the best by how
much more alike a photo and its mirror image are than two photos; and, with each mode given in turn,
how often a wrong one would be doubted, and the right one. Batch normalization, where a network has
it, is not looked at. seewhy does not doubt by this rule: see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.preprocessing import SIDE, animals, read
from benchmarks.truth_photos import DATA, load_network

PHOTOS = 20
"""Of each origin."""

COUNTS, DRAWS = (6, 12), 60

Scores = Mapping[str, np.ndarray]
"""By mode: (view, photo, class)."""


def answers(classifier: Any) -> dict[str, np.ndarray]:
    """Return a network's scores of all photos, under each mode."""
    from seewhy.classifier.infer import candidates
    from seewhy.errors import NotFinite
    from seewhy.photos.preprocessing import preprocess_pixels

    files = sorted((DATA / "photos").glob("*.jpg"))[::2][:PHOTOS]
    files += sorted((DATA / "boxes" / "coco128").glob("*.jpg"))[:PHOTOS]
    pixels, _ = classifier._fitted(read(files))
    channels = classifier.network.input_shape[2]
    found = {}
    for mode in candidates(channels):
        seen = []
        for view in (pixels, pixels[:, :, ::-1], shifted(pixels)):
            images = preprocess_pixels(view, mode, channels=channels, network="it")
            try:
                seen.append(
                    np.concatenate(
                        [
                            classifier.network.scores(images[start : start + 8])
                            for start in range(0, len(images), 8)
                        ]
                    )
                )
            except NotFinite:
                break
        else:
            found[mode] = np.stack(seen).astype(np.float32)
    return found


def shifted(pixels: np.ndarray) -> np.ndarray:
    """Return photos moved by a sixteenth of their size, their edges repeated."""
    down, right = (length // 16 for length in pixels.shape[1:3])
    moved = np.pad(pixels, ((0, 0), (down, 0), (right, 0), (0, 0)), mode="edge")
    return moved[:, : pixels.shape[1], : pixels.shape[2]]


def networks(folder: Path) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return by name the mode that each network was trained with, and what builds it."""
    import seewhy

    files = DATA / "networks"

    def timm(model: str, weights: str, **keywords: Any) -> Any:
        from tests.torchvision_operators import declare_missing_operators

        declare_missing_operators()
        return seewhy.load(f"timm:{model}&weights={folder / weights}.pth", **keywords)

    real: dict[str, tuple[str, Callable[[], Any]]] = {
        "MobileNet 0.75": ("tf", lambda: load_network("mobilenet")),
        "SqueezeNet": ("caffe", lambda: load_network("squeezenet")),
        "EfficientNet-Lite0": ("tf", lambda: load_network("efficientnet-lite0")),
        "EfficientNet-Lite1": (
            "tf",
            lambda: timm("tf_efficientnet_lite1?num_classes=1000", "efficientnet_lite1", size=240),
        ),
        "ViT-S 14": (
            "torch",
            lambda: timm("vit_small_patch14_dinov2?num_classes=19", "vits14_animals19", size=224),
        ),
        "MobileNetV2, 19 dogs": (
            "tf",
            lambda: seewhy.load(folder / "dog_breed_mobilenetv2.h5", preprocess="tf"),
        ),
        "mini-Xception": (
            "tf",
            lambda: seewhy.load(files / "fer2013_mini_XCEPTION.102-0.66.hdf5"),
        ),
        "built-in": ("none", lambda: load_network("built-in")),
    }
    here = {
        f"trained here, {mode}": (mode, lambda mode=mode: trained(mode))
        for mode in ("caffe", "tf", "torch", "unit", "none")
    }
    return real | here


def trained(mode: str, epochs: int = 12) -> Any:
    """Return a small network without normalization, trained on cats, dogs and pandas in a mode."""
    import torch
    from torch import nn

    import seewhy
    from seewhy.photos.preprocessing import MODES

    torch.manual_seed(len(mode))
    layers: list[Any] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3))
    pixels, labels = animals()
    images = MODES[mode](pixels.astype(np.float32))
    with torch.no_grad():  # photos of any scale start at a scale of 1
        model[0].weight /= float(images.std()) + abs(float(images.mean()))
    rate = 3e-3 if mode in ("tf", "torch", "unit") else 1e-3
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    random = np.random.default_rng(0)
    turned = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    for _ in range(epochs):
        for batch in np.array_split(random.permutation(len(pixels)), len(pixels) // 32):
            loss = nn.functional.cross_entropy(
                model(turned[batch]), torch.from_numpy(labels[batch])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (model(turned).argmax(1).numpy() == labels).mean()
    print(f"trained here, {mode}: {right:.0%} of its photos", flush=True)
    return seewhy.Classifier(model.eval(), size=SIDE, preprocess=mode)


def recognition(scores: np.ndarray, mirrored: np.ndarray) -> tuple[float, float]:
    """Return how much more alike a photo and its mirror image are than two photos, in two ways.

    By the probability of one class for both, which needs sharp answers; and by the correlation of
    the scores, which does not change with their size.
    """
    found = []
    for form in (probabilities, centred):
        alike = form(scores) @ form(mirrored).T
        count, own = len(alike), float(np.trace(alike))
        found.append(own / count - (float(alike.sum()) - own) / (count * (count - 1)))
    return found[0], found[1]


def probabilities(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def centred(scores: np.ndarray) -> np.ndarray:
    values = scores.astype(np.float64) - scores.mean(axis=-1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9))


def is_doubted(own: tuple[float, float], best: tuple[float, float]) -> bool:
    """Return whether a mode would be doubted beside another one."""
    return best[0] > 0.1 and own[0] < best[0] / 2 and own[1] < best[1] / 1.25


def rates(right: str, scores: Scores, count: int) -> tuple[float, float, float]:
    """Return how often the right mode is the best; and the shares doubted, of wrong and right."""
    best, wrong, own = [], [], []
    for draw in range(DRAWS):
        some = np.random.default_rng(draw).choice(2 * PHOTOS, count, replace=False)
        values = {mode: recognition(one[0, some], one[1, some]) for mode, one in scores.items()}
        best.append(max(values, key=lambda mode: values[mode][0]) == right)
        for mode, value in values.items():
            doubted = any(is_doubted(value, other) for other in values.values())
            (own if mode == right else wrong).append(doubted)
    return float(np.mean(best)), float(np.mean(wrong)), float(np.mean(own))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=Path, default=DATA / "networks")
    parser.add_argument("--keep", type=Path, help="a folder of scores, which are asked for once")
    parser.add_argument("--only", nargs="*", help="names of networks")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'network':22}{'mode':>7}{'photos':>7}{'best':>6}  doubted: wrong, right")
    for name, (right, build) in networks(args.networks).items():
        if args.only and name not in args.only:
            continue
        kept = None if args.keep is None else args.keep / f"{name}.npz"
        if kept is not None and kept.is_file():
            scores = dict(np.load(kept))
        else:
            try:
                scores = answers(build())
            except (OSError, LookupError, ImportError, ValueError) as error:
                print(f"{name:22} is left out: {error}")
                continue
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, **scores)
        for count in COUNTS:
            best, wrong, own = rates(right, scores, count)
            print(f"{name:22}{right:>7}{count:7}{best:6.0%}{wrong:16.0%}{own:7.0%}", flush=True)


if __name__ == "__main__":
    main()
