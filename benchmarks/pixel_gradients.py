"""How far gradients of single pixels differ between frameworks, and from float64.

    python benchmarks/pixel_gradients.py --photos 8

MobileNet with its real weights, on real photos: every Keras backend in a process of its own, and
the same layers in float64. Needs SEEWHY_TEST_DATA. Differences are shares of the maximum of a
photo's gradient (or of its map). Every row is the median over the photos, and the worst of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("SEEWHY_TEST_DATA", "no-test-data"))
WEIGHTS = DATA / "networks" / "mobilenet_0.75_224.weights.h5"
BACKENDS = ("tensorflow", "jax", "torch")
DOUBLE = "float64"
CELLS = 14


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=8, help="how many (8)")
    parser.add_argument("--of", choices=(*BACKENDS, DOUBLE), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not WEIGHTS.is_file():
        print(f"{WEIGHTS} is not there: the photos and networks are not on this machine")
        return 1
    files = sorted((DATA / "photos").glob("*.jpg"))[: args.photos]
    if args.of:
        np.savez(args.out, **(in_double(files) if args.of == DOUBLE else in_seewhy(files)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = {name: in_process(name, Path(folder), args.photos) for name in (*BACKENDS, DOUBLE)}
    for kind in ("gradients", "map"):
        print(f"{kind}, {len(files)} photos")
        for one, other in itertools.combinations(found, 2):
            if kind in found[one] and kind in found[other]:
                tell(f"{one} and {other}", found[one][kind], found[other][kind])
    means = {name: cell_means_of(each["gradients"]) for name, each in found.items()}
    print(f"means of |gradient| over {CELLS} × {CELLS} cells")
    for one, other in itertools.combinations(means, 2):
        tell(f"{one} and {other}", means[one], means[other])
    return 0


def in_process(name: str, folder: Path, photos: int) -> dict[str, np.ndarray]:
    """Compute gradients in a process of their own: a backend is chosen once per process."""
    out = folder / f"{name}.npz"
    backend = "torch" if name == DOUBLE else name
    here = [sys.executable, __file__, "--of", name, "--out", str(out), "--photos", str(photos)]
    subprocess.run(here, check=True, env=os.environ | {"KERAS_BACKEND": backend})
    return dict(np.load(out))


def in_seewhy(files: list[Path]) -> dict[str, np.ndarray]:
    """Return the gradients of the best class's score, and Grad-CAM's maps, by seewhy."""
    import seewhy
    from seewhy.networks.base import INPUT, Top

    classifier = seewhy.load(f"mobilenet?alpha=0.75&weights={WEIGHTS}")
    images = images_of(files, classifier)
    capture = classifier.network.input_gradients(images, Top(1))
    maps = seewhy.explain(classifier, files, method="grad-cam", top=1).maps[:, 0]
    return {"gradients": capture.gradients[INPUT][:, 0], "map": maps}


def images_of(files: list[Path], classifier: Any) -> np.ndarray:
    from seewhy.photos.reading import read_photo

    images: np.ndarray = classifier.prepare([read_photo(file) for file in files])[0]
    return images


def in_double(files: list[Path]) -> dict[str, np.ndarray]:
    """Return the gradients of the same layers in float64, by PyTorch itself."""
    import keras
    import torch

    import seewhy

    images = images_of(files, seewhy.load(f"mobilenet?alpha=0.75&weights={WEIGHTS}"))
    keras.config.set_dtype_policy("float64")
    model = keras.applications.MobileNet(
        (224, 224, 3), alpha=0.75, weights=None, classifier_activation=None
    )
    model.load_weights(WEIGHTS)
    gradients = []
    for image in images:
        pixels = torch.tensor(image[None], dtype=torch.float64, requires_grad=True)
        scores = model(pixels)
        assert scores.dtype == torch.float64
        scores[0].max().backward()
        gradients.append(pixels.grad.numpy())
    return {"gradients": np.concatenate(gradients)}


def cell_means_of(gradients: np.ndarray) -> np.ndarray:
    from seewhy.evaluating.faithfulness import cell_means

    return np.stack([cell_means(np.abs(one).max(axis=2), CELLS) for one in gradients])


def tell(pair: str, one: np.ndarray, other: np.ndarray) -> None:
    """Print the largest difference of each photo, as a share of its maximum."""
    axes = tuple(range(1, one.ndim))
    off = np.abs(one - other).max(axis=axes) / np.abs(other).max(axis=axes)
    share = (np.abs(one - other).sum(axis=axes)) / np.abs(other).sum(axis=axes)
    print(
        f"  {pair}: largest difference {np.median(off):.1e} of the maximum (worst photo "
        f"{off.max():.1e}), mean difference {np.median(share):.1e} of the mean"
    )


if __name__ == "__main__":
    sys.exit(main())
